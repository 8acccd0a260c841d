"""Stages of a chain of vLLM: on which machines they stand, and what vLLM cannot place there."""

from dataclasses import dataclass

from exports.machines import Device, boxes, is_local
from exports.scripts import Description
from system import Composition

IN_RAM = "vLLM computes no blocks in the memory beside the GPUs"
UNEQUAL = "vLLM starts as many GPUs on each machine of a chain, but they have different numbers"
MIXED = "vLLM shares each block of a chain among the same number of GPUs (--tensor-parallel-size)"
SCATTERED = "vLLM wants the stages on one machine next to each other"
CAUSES = (IN_RAM, UNEQUAL, MIXED, SCATTERED)


@dataclass(frozen=True)
class Stage:
    """A device of a server with its blocks."""

    server: int
    device: Device
    blocks: int


@dataclass(frozen=True)
class Node:
    """A machine with the stages of a chain on it."""

    stages: tuple[Stage, ...]
    numbers: tuple[int, ...]  # of the GPUs in the machine, in the order of the stages
    is_local: bool  # whether it is the orchestrator's own machine
    is_shared: bool  # whether the machine has several GPUs, so that those of the chain are named

    @property
    def server(self) -> int:
        """Return the server whose address is that of the machine."""
        return self.stages[0].server

    @property
    def variable(self) -> str:
        """Return the variable that numbers its GPUs."""
        return f"GPUS_{self.server + 1}"


def nodes_of(composition: Composition, k: int, description: Description) -> list[Node]:
    """Return the machines of chain k in order, with their stages."""
    chain = composition.chain(k)
    nodes = []
    for hops in boxes(composition, k):
        stages: list[Stage] = []
        numbers: list[int] = []
        for n in hops:
            j = chain.servers[n]
            parts = description.machine(j).parts(int(chain.blocks[n]))
            stages += [Stage(j, device, blocks) for device, blocks in parts]
            first = _gpus([i for i in _together(composition, j) if i < j], description)
            numbers += range(first, first + sum(device.gpus for device, _ in parts))
        together = _together(composition, stages[0].server)
        is_shared = _gpus(together, description) > 1
        nodes.append(Node(tuple(stages), tuple(numbers), is_local(composition, stages[0].server), is_shared))
    return nodes


def node_reason(nodes: list[Node]) -> str:
    """Return why vLLM cannot start the stages of a chain, or nothing."""
    stages = [stage for node in nodes for stage in node.stages]
    if any(stage.device.kind == "ram" for stage in stages):
        return IN_RAM
    if len({stage.device.gpus for stage in stages}) > 1:
        return MIXED
    if sum(node.is_local for node in nodes) > 1:
        return SCATTERED
    counts = [len(node.numbers) for node in nodes]
    return f"{UNEQUAL}: {', '.join(map(str, counts))}" if len(set(counts)) > 1 else ""


def _together(composition: Composition, j: int) -> list[int]:
    """Return the servers in the machine of server j."""
    count = len(composition.system.servers)
    return [i for i in range(count) if is_local(composition, i)] if is_local(composition, j) else [j]


def _gpus(servers: list[int], description: Description) -> int:
    """Return the number of GPUs of some servers."""
    devices = [device for j in servers for device in description.machine(j).devices]
    return sum(device.gpus for device in devices if device.kind != "ram")
