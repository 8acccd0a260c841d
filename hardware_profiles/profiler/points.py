"""The timing of points in rounds over all of them, so that disturbances affect all alike. Needs no torch."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

Clock = Callable[[Callable[[], object]], float]  # seconds that a call takes
Row = list[float]


class Timing(NamedTuple):
    """A call to time, with its coordinates, such as (blocks, input tokens)."""

    kind: str
    coordinates: tuple[int, ...]
    run: Callable[[], object]
    runs_per_round: int = 1


def time_points(points: Sequence[Timing], clock: Clock, warm_up: int, rounds: int) -> dict[str, list[Row]]:
    """Time all points and return a row for each one, by kind.

    A row is [*coordinates, median s, P10 s, P90 s]. The times of the first `warm_up` rounds are dropped.
    """
    times_s: list[list[float]] = [[] for _ in points]
    with tqdm(total=(warm_up + rounds) * len(points), unit="point", disable=None, leave=False) as progress:
        for number in range(warm_up + rounds):
            for point, taken_s in zip(points, times_s, strict=True):
                round_s = [clock(point.run) for _ in range(point.runs_per_round)]
                taken_s += round_s if number >= warm_up else []
                progress.set_description(point.kind, refresh=False)
                progress.update()
    rows: dict[str, list[Row]] = {point.kind: [] for point in points}
    for point, taken_s in zip(points, times_s, strict=True):
        rows[point.kind].append([*point.coordinates, *np.quantile(taken_s, (0.5, 0.1, 0.9)).tolist()])
    return rows
