"""Devices of a chain of llama.cpp: which are reached over RPC, in which order, and by which names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exports.machines import Device, is_local
from exports.scripts import Description, comment, optional
from system import Composition


@dataclass(frozen=True)
class Hop:
    """A server of a chain with the devices that run its blocks, in order.

    A server in the orchestrator's own machine needs no RPC server. Only where blocks beside its GPUs are followed by
    blocks of other machines, it has one: the processor is a device of RPC servers, or else has the first blocks.
    """

    server: int
    parts: tuple[tuple[Device, int], ...]  # devices with their blocks
    over_rpc: bool
    first_gpu: int  # the number of its first GPU in its machine

    @property
    def is_listed(self) -> bool:
        """Return whether its devices are named."""
        return (bool(self.gpus) and not self.over_rpc) or len(self.parts) > 1 or not self.gpus

    @property
    def gpus(self) -> list[int]:
        """Return the blocks of each of its GPUs."""
        return [count for device, count in self.parts if device.kind != "ram"]

    @property
    def blocks(self) -> list[int]:
        """Return the blocks of each device that takes a share of the split."""
        return [count for _, count in self.parts] if self.over_rpc else self.gpus

    @property
    def variable(self) -> str:
        """Return the variable that names its devices."""
        return f"DEVICES_{self.server + 1}"

    @property
    def names(self) -> str:
        """Return the likely names of its devices."""
        gpu = self.first_gpu
        names = []
        for device, _ in self.parts:
            names += [f"CUDA{gpu}"] if device.kind != "ram" else ["CPU"] if self.over_rpc else []
            gpu += device.kind != "ram"
        return ",".join(names)


def hops_of(composition: Composition, k: int, description: Description) -> list[Hop]:
    """Return the hops of chain k with their devices."""
    chain = composition.chain(k)
    all_local = all(is_local(composition, j) for j in chain.servers)
    hops = []
    for j, blocks in zip(chain.servers, chain.blocks, strict=True):
        parts = tuple(description.machine(j).parts(int(blocks)))
        beside, local = any(device.kind == "ram" for device, _ in parts), is_local(composition, j)
        over_rpc = not local or (beside and (not all_local or len(parts) == 1))
        hops.append(Hop(j, parts, over_rpc, _gpus_before(composition, j, description) if local else 0))
    return hops


def device_option(hops: list[Hop]) -> list[str]:
    """Return the option that orders the devices of a llama-server.

    It is only needed beside GPUs of its own machine, which otherwise come after those of all RPC servers.
    """
    if all(hop.over_rpc for hop in hops):
        return []
    return ["--device", ",".join(_named(hops))]


def gpu_layers(hops: list[Hop]) -> int | None:
    """Return the layers on GPUs if some lie beside them, with the head."""
    beside = sum(count for hop in hops if not hop.over_rpc for device, count in hop.parts if device.kind == "ram")
    return sum(sum(hop.blocks) for hop in hops) + 1 if beside else None


def _named(hops: list[Hop]) -> Iterator[str]:
    """Yield the names of all devices, RPC0 and so on over all RPC servers."""
    reached = 0
    for hop in hops:
        if not hop.over_rpc:
            yield f'"${hop.variable}"'
            continue
        for _ in hop.parts:
            yield f"RPC{reached}"
            reached += 1


def device_lines(composition: Composition, hops: Iterable[Hop]) -> list[str]:
    """Return the lines that name the devices of servers."""
    return [
        f"{optional(hop.variable, hop.names)} "
        + comment(
            f"{composition.system.servers.name(hop.server)}: "
            + ", ".join(f"{device.name} for {count} blocks" for device, count in hop.parts)
        ).rstrip("\n")
        for hop in sorted(hops, key=lambda hop: hop.server)
        if hop.is_listed
    ]


def _gpus_before(composition: Composition, j: int, description: Description) -> int:
    """Return how many GPUs servers before j have in the orchestrator's machine."""
    earlier = [i for i in range(j) if is_local(composition, i)]
    return sum(device.gpus for i in earlier for device in description.machine(i).devices if device.kind != "ram")
