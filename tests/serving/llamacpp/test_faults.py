"""Processes that fail at the start or in a run: one sentence with the cause, and no process is left."""

import os
import signal
import threading
from dataclasses import replace

import pytest

from serving.engines.llamacpp.fleet import LlamaCpp, start
from serving.engines.llamacpp.gguf_model import write_random_model
from serving.engines.processes import Children, listening_socket
from system import InputError
from tests.serving.left import processes_with, until
from tests.serving.llamacpp.completions import complete
from tests.serving.llamacpp.fakes import HEALTHY, LLAMA_SERVER, LOADING, RPC_SERVER, fakes  # noqa: F401
from tests.serving.llamacpp.layouts import SMALL, layout_of, model_file, needs_gguf, needs_llamacpp  # noqa: F401

pytestmark = needs_gguf
TWO = layout_of((3, 13), (9, 1, 6))


def failure(settings, layout=TWO):
    """Return the sentence of a failed start that leaves no process."""
    with pytest.raises(InputError) as error, start(layout, settings):
        pass
    assert not processes_with(settings.llama_server)
    assert not processes_with(settings.rpc_server)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


def instead(old, new, body=LLAMA_SERVER):
    """Return a fake program with one line changed."""
    assert old in body
    return body.replace(old, new)


def test_healthy_fakes_start_and_end_in_order(fakes):  # noqa: F811
    settings = fakes()
    with start(TWO, settings) as chains:
        assert chains.failed() is None
        assert len(processes_with(settings.rpc_server)) == 5
        assert len(processes_with(settings.llama_server)) == 2  # the rehearsals have ended
        planned = {"machine 2": tuple(range(9)), "machine 3": (9,), "machine 4": tuple(range(10, 16))}
        assert chains.placement[1] == planned
    assert not processes_with(settings.rpc_server)


STARTS = {
    "a model that does not fit": (
        instead(
            'log(f"using',
            "fail('0.00.674 E alloc_tensor_range: failed to allocate RPC0 buffer of size 25')\n    log(f\"using",
        ),
        RPC_SERVER,
        "llama-server of chain 0: ended with status 1; its log says: alloc_tensor_range: failed to allocate RPC0",
    ),
    "an aborting host": (
        instead("for layer,", "log('Remote RPC server crashed')\nos.kill(os.getpid(), signal.SIGABRT)\nfor layer,"),
        RPC_SERVER,
        "llama-server of chain 0: was ended by SIGABRT; its log says: Remote RPC server crashed",
    ),
    "a silent end": (
        LLAMA_SERVER,
        instead('log("Starting RPC server v5.0.0")', "sys.exit(3)", RPC_SERVER),
        "RPC server of machine 0: ended with status 3 and logged nothing",
    ),
    "an RPC server without its port": (
        LLAMA_SERVER,
        instead('log("Starting RPC server v5.0.0")', "fail('Failed to create server socket', status=0)", RPC_SERVER),
        "RPC server of machine 0: ended with status 0; its log says: Failed to create server socket",
    ),
    "another protocol": (
        LLAMA_SERVER,
        instead("v5.0.0", "v4.1.0", RPC_SERVER),
        "RPC server of machine 0: speaks version 4 of the RPC protocol, but llama-server b10434 .* needs 5",
    ),
    "layers elsewhere": (
        instead("for layer, j in", "devices = [*devices[1:], devices[-1]]\nfor layer, j in"),
        RPC_SERVER,
        "layer 2 of chain 0: llama.cpp placed it on machine 1, the plan on machine 0",
    ),
    "layers on the host": (
        instead("device RPC{j},", "device CPU,"),
        RPC_SERVER,
        "layer 0 of chain 0: llama.cpp placed it on CPU, the plan on machine 0",
    ),
    "an RPC server that the host does not reach": (
        instead(
            "for j, address in enumerate(addresses):",
            "log('0.01 E Failed to connect')\nfor j, address in enumerate(addresses[:1]):",
        ),
        RPC_SERVER,
        "RPC servers of chain 0 = .*does not use all its RPC servers .Failed to connect.",
    ),
    "a log without layers": (
        instead("assigned to", "at"),
        RPC_SERVER,
        "llama_server: its log does not say where layers lie; use a build near the tested one, b10434",
    ),
    "an old llama-server": (
        instead('fail("version: 10434 (abcdef1)", status=0)', 'fail("error: unknown argument")'),
        RPC_SERVER,
        "llama_server = .*: does not tell its version",
    ),
    "programs of two builds": (
        LLAMA_SERVER,
        instead("error: unknown argument: --version", "version: 10400 (abcdef2)", RPC_SERVER),
        "rpc_server = .*: is build b10400 .abcdef2., but llama-server is b10434 .abcdef1.",
    ),
}


@pytest.mark.parametrize("case", STARTS)
def test_a_start_that_fails_is_one_sentence(fakes, case):  # noqa: F811
    host, rpc, words = STARTS[case]
    settings = fakes(host, rpc)
    with pytest.raises(InputError, match=words):
        raise InputError(failure(settings))


def test_a_host_that_never_gets_healthy_is_given_up(fakes):  # noqa: F811
    sentence = failure(fakes(instead(HEALTHY, LOADING), start_s=0.5), layout_of((16,)))
    assert "llama-server of chain 0: not ready after start_s = 0.5 s" in sentence
    assert sentence.endswith("look at its log, which ends: Accepted client connection")


def test_a_host_that_ignores_sigterm_is_killed(fakes, monkeypatch):  # noqa: F811
    monkeypatch.setattr("serving.engines.processes.GOODBYE_S", 0.2)
    settings = fakes(instead("addresses, split", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\naddresses, split"))
    with start(layout_of((16,)), settings):
        pass
    assert not processes_with(settings.llama_server)


def test_a_dead_rpc_server_is_the_cause_of_its_chain_alone(fakes):  # noqa: F811
    with start(TWO, fakes()) as chains:
        chains.processes[1][2].process.kill()
        assert until(lambda: chains.failed() is not None)
        assert chains.failed() == chains.failure(1)
        assert chains.failure(1).startswith("RPC server of machine 4: was ended by SIGKILL")
        assert chains.failure(0) is None


@needs_llamacpp
def test_a_real_chain_that_loses_a_server_aborts_in_one_sentence(model_file):  # noqa: F811
    outcomes = []

    def request(endpoint):
        try:
            outcomes.append(complete(endpoint, [260], 5000))
        except OSError as error:  # the connection ends without an answer
            outcomes.append(error)

    with start(layout_of((3, 13), (9, 1, 6), cache_tokens=6000), LlamaCpp(model_file=model_file)) as chains:
        running = threading.Thread(target=request, args=(chains.endpoints[0],))
        running.start()
        host = chains.processes[0][-1]
        assert until(lambda: "processing task" in host.text)
        os.kill(chains.processes[0][1].process.pid, signal.SIGKILL)
        assert until(lambda: host.status() is not None)
        running.join()
        assert isinstance(outcomes[0], OSError)
        assert "llama-server of chain 0: was ended by SIGABRT" in host.failure()
        assert chains.failed() == chains.failure(0)
        assert "RPC server of machine 1: was ended by SIGKILL" in chains.failed()
        assert complete(chains.endpoints[1], [260], 3)["usage"]["completion_tokens"] == 3  # the other chain goes on


@needs_llamacpp
@pytest.mark.parametrize("program", ["rpc", "host"])
def test_a_real_program_without_its_port_ends_in_one_sentence(model_file, monkeypatch, program):  # noqa: F811
    reserve = Children.reserve_port
    with listening_socket() as other:
        used = other.getsockname()[1]
        ports = iter([lambda _: used] if program == "rpc" else [reserve, lambda _: used])
        monkeypatch.setattr(Children, "reserve_port", lambda children: next(ports)(children))
        words = {
            "rpc": "RPC server of machine 0: .*Failed to create server socket",
            "host": "llama-server of chain 0: ended",
        }
        with (
            pytest.raises(InputError, match=words[program]),
            start(layout_of((16,)), LlamaCpp(model_file=model_file)),
        ):
            pass


@needs_llamacpp
def test_a_real_cache_that_does_not_fit_ends_in_one_sentence(tmp_path):
    wide = replace(SMALL, kv_head_count=4, head_size=512)  # 131 kB a token
    write_random_model(tmp_path / "wide.gguf", wide)
    layout = layout_of((16,), slots=32, decoder=wide, cache_tokens=130_000)  # 545 GB, which no machine of tests has
    settings = LlamaCpp(model_file=str(tmp_path / "wide.gguf"))
    with pytest.raises(InputError, match=r"llama-server of chain 0: .*failed to allocate"), start(layout, settings):
        pass
