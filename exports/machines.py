"""Machines as engines see them: their devices, and the blocks on each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from system import Composition


@dataclass(frozen=True)
class Device:
    """A GPU, several that share each block (tensor parallel), or the memory beside the GPUs."""

    name: str
    kind: str = "gpu"  # or "ram", where the processor computes
    gpus: int = 1  # that share each block


def _all_on_one(blocks: int) -> tuple[int, ...]:
    """Return all blocks for one device."""
    return (blocks,)


@dataclass(frozen=True)
class Machine:
    """A server's devices in the order in which blocks fill them, and how many blocks of some lie on each."""

    devices: tuple[Device, ...]
    held: Callable[[int], tuple[int, ...]] = _all_on_one

    def parts(self, blocks: int) -> list[tuple[Device, int]]:
        """Return the devices that run some of the blocks, with how many."""
        return [(device, count) for device, count in zip(self.devices, self.held(blocks), strict=True) if count]


def is_local(composition: Composition, j: int) -> bool:
    """Return whether a server is in the orchestrator's own machine.

    Its round trip takes no time.
    """
    rtt_s = composition.system.servers.orchestrator_rtt_s
    return rtt_s is not None and float(rtt_s[j]) == 0.0


def boxes(composition: Composition, k: int) -> list[list[int]]:
    """Return the hops of chain k, grouped by machines.

    Each server is a machine, except that all those without a round trip are in the orchestrator's own.
    """
    servers = composition.chain(k).servers
    keys = [-1 if is_local(composition, j) else j for j in servers]
    return [[n for n, _ in group] for _, group in groupby(enumerate(keys), key=lambda item: item[1])]
