"""However a run ends, its processes end with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from serving.engines.llamacpp.fleet import start
from serving.engines.processes import Children
from tests.serving.left import processes_with, until
from tests.serving.llamacpp.fakes import LLAMA_SERVER, RPC_SERVER, fakes  # noqa: F401
from tests.serving.llamacpp.layouts import layout_of, model_file, needs_gguf  # noqa: F401
from tests.support.project import ROOT

pytestmark = needs_gguf
# A run of two chains over a relay that waits for its end, as a command does that cleans up at signals.
RUN = """
import sys, time
from serving.engines.llamacpp.fleet import LlamaCpp, start
from system.command.boundary import ends_in_one_sentence
from tests.serving.llamacpp.layouts import layout_of
host, rpc, model = sys.argv[1:]
settings = LlamaCpp(llama_server=host, rpc_server=rpc, model_file=model, emulate="rtt")
with ends_in_one_sentence(), start(layout_of((3, 13), (9, 1, 6), rtt_s=[0.001] * 5), settings) as chains:
    print(chains.processes[0][2].process.pid, flush=True)
    CRASH
    time.sleep(60)
"""


def running(settings, crash="pass"):
    """Return a process that has started chains, and the number of its relay."""
    code = RUN.replace("CRASH", crash)
    command = [sys.executable, "-c", code, settings.llama_server, settings.rpc_server, settings.model_file]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return run, int(run.stdout.readline())


def is_gone(number):
    """Return whether a process has ended, with its status read or not."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and the death signal of Linux")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_leaves_no_process(fakes, number):  # noqa: F811
    settings = fakes()
    run, relay = running(settings)
    assert len(processes_with(settings.rpc_server)) == 6  # five servers, and the run that names them
    os.kill(run.pid, number)
    assert run.wait(20) == {signal.SIGKILL: -9}.get(number, 128 + number)
    assert until(lambda: not processes_with(settings.rpc_server) and is_gone(relay))
    assert not processes_with(settings.llama_server)
    run.communicate()


def test_an_error_in_the_block_leaves_no_process(fakes):  # noqa: F811
    settings = fakes()
    run, relay = running(settings, "raise ValueError('of the run')")
    assert "of the run" in run.communicate(timeout=20)[1]
    assert not processes_with(settings.rpc_server)
    assert not processes_with(settings.llama_server)
    assert is_gone(relay)


def test_what_a_program_has_started_ends_with_it(fakes):  # noqa: F811
    child = 'os.posix_spawn("/bin/sleep", ["sleep", "61.25"], os.environ)\n'
    settings = fakes(rpc_server=RPC_SERVER.replace("listen()", f"{child}listen()"))
    with start(layout_of((16,)), settings):
        assert processes_with("61.25")
    assert until(lambda: not processes_with("61.25"))


def test_a_server_outlives_a_client_that_hangs_up(tmp_path):
    with Children(tmp_path, 10.0) as children:
        number = children.start("sleep", "sleep", ["sleep", "60"]).process.pid
        status = Path(f"/proc/{number}/status").read_text()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    assert ignored & 1 << (signal.SIGPIPE - 1)
