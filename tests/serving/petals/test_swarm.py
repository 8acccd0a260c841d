"""A swarm's commands, logs, faults and ends, with a stand-in for PETALS."""

import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from serving.engines.petals.environment import require_petals
from serving.engines.petals.logs import address_in, is_ready, last_error, sessions
from serving.engines.petals.model import SmallLlama
from serving.engines.petals.spans import ServerOptions, Span, server_command, spans_of
from serving.engines.petals.swarm import Petals, start
from system import InputError, Servers, System
from tests.serving.petals.fake import fake_python, is_running
from tests.support.oracles.instances import served_model
from tests.support.project import ROOT

SPANS = [Span("a", 0, 3, 96), Span("b", 3, 8, 96)]
LOG = """Nov 30 09:03:48.206 [WARN] Failed to fetch the latest Petals version from PyPI:
Traceback (most recent call last):
requests.exceptions.ProxyError: refused
09:03:49 [\x1b[34mINFO\x1b[0m] Running a server on ['/ip4/10.0.0.7/tcp/1/p2p/Qx', '/ip4/127.0.0.1/tcp/3/p2p/QmU7']
Nov 30 09:03:52.483 [\x1b[1m\x1b[34mINFO\x1b[0m] Started
Nov 30 09:03:55.056 [INFO] rpc_inference.open(blocks=0:3, remote_peer=...5EPL4d)
Nov 30 09:03:55.056 [INFO] rpc_inference.alloc_done(size=0.00 GiB)
Nov 30 09:03:56.056 [INFO] rpc_inference.open(blocks=0:3, remote_peer=...5EPL4d)
    raise AllocationFailed(f"Could not allocate {alloc_size} bytes immediately: out of memory")
petals.server.memory_cache.AllocationFailed: Could not allocate 393216 bytes immediately: out of memory
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return fake_python(tmp_path_factory.mktemp("petals"))


def settings(python, folder, prefix="chains", start_s=20.0):
    options = ServerOptions(model=folder / "model", prefix=prefix)
    return Petals(options=options, logs=folder / "logs", python=python, start_s=start_s)


def children_of(folder):
    """Return the processes that servers of the stand-in have started."""
    return [int(pid) for log in (folder / "logs").glob("*.log") for pid in re.findall(r"child (\d+)", log.read_text())]


def wait_until_gone(pids, most_s=10.0):
    end_s = time.monotonic() + most_s
    while any(map(is_running, pids)) and time.monotonic() < end_s:
        time.sleep(0.05)
    return [pid for pid in pids if is_running(pid)]


def test_the_first_server_begins_the_swarm_and_others_join_it(tmp_path):
    options = ServerOptions(model=tmp_path, prefix="mine", most_tokens=512, handlers=3, update_s=5)
    first = server_command(tmp_path / "python", SPANS[0], options, tmp_path / "a.id", [])
    other = server_command(tmp_path / "python", SPANS[1], options, tmp_path / "b.id", ["/ip4/1.2.3.4/tcp/5/p2p/Qm"])
    assert first[:5] == [str(tmp_path / "python"), "-m", "petals.cli.run_server", str(tmp_path), "--new_swarm"]
    assert other[4:6] == ["--initial_peers", "/ip4/1.2.3.4/tcp/5/p2p/Qm"]
    assert "--new_swarm" not in other
    given = dict(pairwise(other))
    expected = {
        "--block_indices": "3:8",
        "--attn_cache_tokens": "96",
        "--inference_max_length": "512",
        "--dht_prefix": "mine",
        "--identity_path": str(tmp_path / "b.id"),
        "--num_handlers": "3",
        "--update_period": "5",
        "--torch_dtype": "float32",
    }
    assert {option: given[option] for option in expected} == expected


def test_a_pool_holds_the_slots_of_its_server():
    """Compare with the slots that each server can give."""
    servers = Servers(memory_gb=[4.0, 3.0, 5.0], communication_s=[0.1] * 3, block_s=[0.01] * 3)
    system = System(served_model(4), servers, 1.0)
    layout = gca(system, GbpCr()(system, 2)).under(JFFC)
    spans = spans_of(layout)
    hosting = np.flatnonzero(layout.placement.block_count)
    assert [span.blocks for span in spans] == layout.placement.block_count[hosting].tolist()
    for span, j in zip(spans, hosting, strict=True):
        slot_tokens = layout.system.model.cache_tokens
        assert span.cache_tokens * span.blocks <= layout.slots_used()[j] * slot_tokens
        assert (span.cache_tokens + 1) * span.blocks > layout.slots_used()[j] * slot_tokens


@pytest.mark.parametrize("blocks", [(3, 3), (4, 3), (-1, 2)])
def test_a_server_without_blocks_is_refused(blocks):
    with pytest.raises(InputError, match=r"^blocks = .*: must be at least one block$"):
        Span("a", *blocks, 96)


def test_a_log_tells_address_readiness_sessions_and_the_last_error():
    assert address_in(LOG) == "/ip4/127.0.0.1/tcp/3/p2p/QmU7"
    assert is_ready(LOG)
    assert not is_ready(LOG.replace("Started", "Started late"))
    assert address_in("Running a server on []") is None
    assert sessions(LOG) == (2, 1)
    assert last_error(LOG).startswith("petals.server.memory_cache.AllocationFailed: Could not allocate 393216 bytes")
    assert last_error("all is well\n") == "all is well"
    assert last_error("") == "it wrote nothing"


def test_servers_run_until_the_block_ends_and_nothing_of_them_is_left(python, tmp_path):
    with start(SPANS, settings(python, tmp_path)) as swarm:
        assert swarm.peers == ["/ip4/127.0.0.1/tcp/40/p2p/Qm0", "/ip4/127.0.0.1/tcp/43/p2p/Qm3"]
        assert swarm.failed() is None
        pids = [member.process.pid for member in swarm.members] + children_of(tmp_path)
        assert len(pids) == 4
        assert all(map(is_running, pids))
        assert "--initial_peers /ip4/127.0.0.1/tcp/40/p2p/Qm0" in swarm.members[1].text
    assert wait_until_gone(pids) == []


def test_a_server_that_ends_is_named_and_the_others_end_too(python, tmp_path):
    with (
        pytest.raises(InputError, match=r"^PETALS server b: has ended: ValueError: Failed to parse the blocks; see .*"),
        start(SPANS, settings(python, tmp_path, "broken")),
    ):
        pass
    assert len(children_of(tmp_path)) == 2
    assert wait_until_gone(children_of(tmp_path)) == []


def test_a_server_that_is_late_is_named(python, tmp_path):
    with (
        pytest.raises(InputError, match=r"^PETALS server a: not ready after start_s = 1 s; raise start_s, or see"),
        start(SPANS, settings(python, tmp_path, "slow", start_s=1.0)),
    ):
        pass
    assert wait_until_gone(children_of(tmp_path)) == []


def test_a_server_that_dies_later_is_named(python, tmp_path):
    with start(SPANS, settings(python, tmp_path)) as swarm:
        os.kill(swarm.members[1].process.pid, signal.SIGKILL)
        swarm.members[1].process.wait()
        assert swarm.failed().startswith("PETALS server b: has ended: ")


def test_a_killed_parent_leaves_no_process(python, tmp_path):
    """Kill the process that started a swarm, so that it can end nothing itself."""
    code = f"""
import time
from pathlib import Path
from tests.serving.petals.test_swarm import SPANS, settings, start
with start(SPANS, settings(Path({str(python)!r}), Path({str(tmp_path)!r}))):
    print("running", flush=True)
    time.sleep(100)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "running\n"
    pids = children_of(tmp_path)
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until_gone(pids) == []


def test_an_environment_without_petals_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^petals.python = /nowhere: there is no such file; run make petals"):
        require_petals(type(tmp_path)("/nowhere"))
    with pytest.raises(InputError, match=r": has no package petals; run make petals in the project's folder, or"):
        require_petals(type(tmp_path)(sys.executable))


def test_a_model_that_cannot_be_written_says_why(python, tmp_path):
    with pytest.raises(InputError, match=r"^model folder = .*: could not be written \(\w+Error: .*\); check the disk"):
        SmallLlama().write(tmp_path / "model", python)
    with pytest.raises(InputError, match=r"^hidden_size = 500: must be a multiple of 16, twice the heads$"):
        SmallLlama(hidden_size=500)
