"""What is timed, and the timing: in rounds over all points, so that what disturbs meets all. Needs no torch."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

Clock = Callable[[Callable[[], object]], float]  # seconds that a call takes
Row = list[float]


class Timing(NamedTuple):
    """One thing to time: a call, and the numbers that say which, such as (blocks, input tokens)."""

    kind: str
    at: tuple[int, ...]
    run: Callable[[], object]
    runs_a_round: int = 1


def measured(points: Sequence[Timing], clock: Clock, warm_up: int, rounds: int) -> dict[str, list[Row]]:
    """For each kind a row [*at, median s, P10 s, P90 s] a point; the rounds of the warm-up are not counted."""
    times_s: list[list[float]] = [[] for _ in points]
    with tqdm(total=(warm_up + rounds) * len(points), unit="point", disable=None, leave=False) as progress:
        for number in range(warm_up + rounds):
            for point, taken_s in zip(points, times_s, strict=True):
                found_s = [clock(point.run) for _ in range(point.runs_a_round)]
                taken_s += found_s if number >= warm_up else []
                progress.set_description(point.kind, refresh=False)
                progress.update()
    rows: dict[str, list[Row]] = {point.kind: [] for point in points}
    for point, taken_s in zip(points, times_s, strict=True):
        rows[point.kind].append([*point.at, *np.quantile(taken_s, (0.5, 0.1, 0.9)).tolist()])
    return rows
