"""A published layout: the range of blocks of each server, as another system's planner chose it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from algorithms.forwarding import ForwardingScheme
from system import Composition, InputError, NotApplicableError, Placement, System
from system.checks import echo, require
from system.dispatch import Dispatch

RANGE = re.compile(r"\s*([0-9]{1,9})\s*:\s*([0-9]{1,9})\s*")


@dataclass(frozen=True)
class PublishedLayout(ForwardingScheme):
    """Servers with the blocks of a file; GCA forms the chains, and the policy dispatches the jobs.

    `ranges` maps names of servers to ranges such as "0:18", for blocks 0 to 17. Servers that it does not name host
    nothing. `file` names the file of the ranges, for people.
    """

    ranges: Mapping[str, str]
    dispatch: Dispatch = JFFC
    file: str | None = None

    def __post_init__(self) -> None:
        is_mapping = isinstance(self.ranges, Mapping) and len(self.ranges) > 0
        require(is_mapping, "ranges", self.ranges, 'must map names of servers to ranges of blocks, such as "0:18"')
        for name, blocks in self.ranges.items():
            block_range(f"ranges.{echo(name)}", blocks)

    @property
    def deterministic(self) -> bool:
        """Return whether the policy is not random."""
        return self.dispatch.deterministic

    def compose(self, system: System, rng: np.random.Generator) -> Composition:
        """Return GCA's chains over the published ranges; nothing is random.

        Raises `NotApplicableError` if the cluster lacks a named server, and `InfeasibleError` if blocks do not fit.
        """
        system = self.forwarded(system)
        return gca(system, self.placement(system)).under(self.dispatch)

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator) -> Placement:
        """Return the published placement, as a part of a scheme; raise as `compose` does."""
        return self.placement(system)

    def placement(self, system: System) -> Placement:
        """Return the published placement of a system; raise as `compose` does."""
        numbers = {name: j for j, name in enumerate(system.servers.names)}
        missing = [name for name in self.ranges if name not in numbers]
        if missing:
            file = f"the layout {self.file}" if self.file else "the layout"
            raise NotApplicableError(
                f"algorithm = published_layout: {file} names {len(missing)} servers that this cluster lacks, such as "
                f"{echo(missing[0])}; choose the cluster that it was published for"
            )
        first_block, block_count = np.zeros((2, len(system.servers)), np.int64)
        for name, blocks in self.ranges.items():
            first, end = block_range(f"ranges.{echo(name)}", blocks)
            first_block[numbers[name]], block_count[numbers[name]] = first, end - first
        placement = Placement(first_block, block_count)
        placement.check(system)
        return placement


def block_range(field: str, value: object) -> tuple[int, int]:
    """Return the first block of a range and the block after its last."""
    match = RANGE.fullmatch(str(value))
    first, end = map(int, match.groups()) if match else (0, 0)
    if first >= end:
        raise InputError(f'{field} = {echo(value)}: must be the range of its blocks, such as "0:18" for blocks 0 to 17')
    return first, end
