"""The search for a composition: candidates at every rate, and the judgement of the best of them."""

from collections.abc import Callable, Sequence
from multiprocessing import current_process
from typing import NamedTuple, NoReturn

import numpy as np
from tqdm import tqdm

from algorithms.allocation.gca import gca
from algorithms.composition_search.candidates import Search
from algorithms.composition_search.objective import SearchObjective
from algorithms.placement.gbp_cr import GbpCr
from algorithms.tuning import best_candidates
from system import Composition, Placement, System

SHOWN_AFTER_S = 1.0


class Judged(NamedTuple):
    """A composition and its value under the objective."""

    composition: Composition
    value: float


def usual_restarts(system: System) -> int:
    """Return 4 restarts, or more for few servers.

    A search among few servers gets stuck more easily.
    """
    return max(4, 64 // len(system.servers))


def progress_bar(evaluations: int) -> "tqdm[NoReturn]":
    """Return a progress bar for so many evaluations, which shows after a second."""
    hidden = True if current_process().name != "MainProcess" else None  # a sweep has a bar of its own
    return tqdm(total=evaluations, desc="search", delay=SHOWN_AFTER_S, disable=hidden, leave=False)


def _report_nothing(evaluations: int) -> None:
    """Keep the progress of a search to itself."""


def search(
    system: System,
    objective: SearchObjective,
    further: Sequence[Placement] = (),
    *,
    evaluations: int,
    restarts: int | None = None,
    seed: int = 0,
    progress: Callable[[int], object] = _report_nothing,
) -> Judged:
    """Return the best composition found, never worse under the objective than any start.

    `further` placements are starts, too. `restarts` are `usual_restarts` if None is given. `progress` is called with
    numbers of evaluations, `evaluations` in all. Raises `InfeasibleError` or `UnstableError` if neither a start nor the
    search finds a composition with a value.
    """
    stages, runs = objective.stages(system), restarts or usual_restarts(system)
    finalists: list[Composition] = []
    for n, stage in enumerate(stages):
        search_at = Search.of_stage(stage, objective, system, progress)
        rng = np.random.default_rng([seed, n])
        starts = search_at.starts(rng, [*further, *(chains.placement for chains in finalists[-1:])])
        if not starts:
            gca(system, GbpCr()(system, 1))  # raises the reason
        best = search_at.run(starts, evaluations // len(stages), runs, rng)[: objective.finalists]
        kept = best if n else [*starts, *best]
        finalists += [chains for candidate in kept for chains in search_at.chains(candidate)]
    judged = [chains.at_rate(system.arrival_rate_per_s) for chains in finalists]
    (winner,) = best_candidates(judged.__getitem__, objective, range(len(judged)), 1)
    return Judged(winner.composition, winner.value)
