"""Parts of a point: what is computed and committed together, and what is missing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Part(NamedTuple):
    """A rectangle of draws and replications of a point, computed and committed together."""

    draws: range
    replications: range

    def __str__(self) -> str:
        return f"d{self.draws.start}-{self.draws.stop}.r{self.replications.start}-{self.replications.stop}"


Parts = Mapping[str, Sequence[Part]]  # committed parts by point


def missing_parts(committed: Sequence[Part], draws: int, replications: int) -> list[Part]:
    """Return the parts that are missing in `draws` x `replications`.

    Draws are scanned in order, and equal neighbours become one part.
    """
    wanted = range(replications)
    missing: list[Part] = []
    for draw in range(draws):
        done = {r for part in committed if draw in part.draws for r in part.replications}
        rest = [r for r in wanted if r not in done]
        for run in _runs(rest):
            last = missing[-1] if missing else None
            if last and last.draws.stop == draw and last.replications == run:
                missing[-1] = Part(range(last.draws.start, draw + 1), run)
            else:
                missing.append(Part(range(draw, draw + 1), run))
    return missing


def _runs(numbers: Sequence[int]) -> list[range]:
    """Return ascending numbers as ranges without gaps."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs
