"""Parts of a point: what is computed and committed together, and what is missing."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple


class Part(NamedTuple):
    """A rectangle of draws and replications of a point, computed and committed together."""

    draws: range
    replications: range

    def __str__(self) -> str:
        return f"d{self.draws.start}-{self.draws.stop}.r{self.replications.start}-{self.replications.stop}"

    @property
    def bounds(self) -> list[int]:
        """Return the ends of both ranges, as JSON keeps them."""
        return [self.draws.start, self.draws.stop, self.replications.start, self.replications.stop]


Parts = Mapping[str, Sequence[Part]]  # committed parts by point


def missing_parts(committed: Sequence[Part], draws: int, replications: int) -> list[Part]:
    """Return the parts that are missing in `draws` x `replications`.

    Draws are scanned in order, and equal neighbours become one part.
    """
    bounds = {end for part in committed for end in (part.draws.start, part.draws.stop) if end < draws}
    missing: list[Part] = []
    for first, end in pairwise(sorted({0, draws} | bounds)):
        for run in _gaps([part.replications for part in committed if first in part.draws], replications):
            last = missing[-1] if missing else None
            if last and last.draws.stop == first and last.replications == run:
                missing[-1] = Part(range(last.draws.start, end), run)
            else:
                missing.append(Part(range(first, end), run))
    return missing


def _gaps(done: Iterable[range], count: int) -> list[range]:
    """Return the ranges of numbers below `count` that are in no range of `done`."""
    gaps, first = [], 0
    for numbers in sorted([*done, range(count, count)], key=lambda numbers: numbers.start):
        if first < min(numbers.start, count):
            gaps.append(range(first, min(numbers.start, count)))
        first = max(first, numbers.stop)
    return gaps
