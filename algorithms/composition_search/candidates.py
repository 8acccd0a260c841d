"""Candidates of a search at one arrival rate: their values, their annealing, and their chains."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.allocation.gca import gca
from algorithms.composition_search.annealing import anneal, evaluate
from algorithms.composition_search.cells import CELL_EVALUATIONS, Cells
from algorithms.composition_search.decoding import NO_CHAIN
from algorithms.composition_search.objective import SearchObjective, Stage
from algorithms.composition_search.starts import placed_starts, reserved_capacities, reserved_state
from algorithms.composition_search.state import (
    Problem,
    State,
    Work,
    copy_of,
    empty_state,
    placed_state,
    problem_of,
    work_for,
)
from system import Composition, Placement, System

HOTTEST, COLD = (3e-3, 0.03, 3e-3, 0.3), 2e-4  # temperatures of restarts in turn, as shares of the value
IN_CELLS, POLISHED = 0.25, 0.1  # shares of the evaluations
LARGE_IN_CELLS = 0.75  # share of the evaluations with `MANY` servers, before cells of placements
MANY = 100  # servers, with which changes are only tried in cells
CHUNK = 2000  # evaluations between two reports of progress
SAME = 1e-9  # relative difference of values inside the search that count as equal


class Candidate(NamedTuple):
    """A state with its value inside the search; `is_placement` says that only its placement counts."""

    value: float
    state: State
    is_placement: bool

    @property
    def placement(self) -> Placement:
        """Return the placement of the state."""
        return Placement(self.state.first_block, self.state.block_count)


@dataclass(frozen=True)
class Search:
    """The search at the arrival rate of a system."""

    objective: SearchObjective
    system: System
    problem: Problem
    work: Work
    progress: Callable[[int], None]

    @staticmethod
    def of_stage(stage: Stage, objective: SearchObjective, system: System, progress: Callable[[int], None]) -> "Search":
        """Return the search of a stage."""
        at_rate = replace(system, arrival_rate_per_s=stage.arrival_rate_per_s)
        problem = problem_of(at_rate)
        return Search(objective, at_rate, problem, work_for(problem, stage.settings), progress)

    def starts(self, rng: np.random.Generator, further: Iterable[Placement]) -> list[Candidate]:
        """Return all starts that have chains, the best first."""
        capacities = reserved_capacities(self.system)
        states = [self._candidate(reserved_state(self.system, c), is_placement=False) for c in capacities]
        placements = [*placed_starts(self.system, rng), *further]
        states += [self._candidate(placed_state(placement), is_placement=True) for placement in placements]
        return sorted((start for start in states if start.value < NO_CHAIN), key=value_of)

    def run(
        self, starts: Sequence[Candidate], evaluations: int, restarts: int, rng: np.random.Generator
    ) -> list[Candidate]:
        """Return different candidates, the best first.

        Cells are improved first. Then states are annealed as a whole, from the best of cells and from starts, and the
        best one is polished. With `MANY` servers or more, cells of placements are improved instead.
        """
        is_large = len(self.system.servers) >= MANY
        in_cells = int((LARGE_IN_CELLS if is_large else IN_CELLS) * evaluations) // CELL_EVALUATIONS * CELL_EVALUATIONS
        reserved = [start for start in starts if not start.is_placement][:1]
        candidates = [starts[0], *reserved, *self._improved_cells(reserved, in_cells, rng)]
        if is_large:
            best = min(candidates, key=value_of)._replace(is_placement=True)
            return _distinct([*candidates, *self._improved_cells([best], evaluations - in_cells, rng)])
        polished = int(POLISHED * evaluations)
        count = max((evaluations - in_cells - polished) // restarts, 1)
        for n in range(restarts):
            start = min(candidates, key=value_of) if n % 2 == 0 else starts[n // 2 % len(starts)]
            candidates += self._annealed(start, np.geomspace(HOTTEST[n % 4], COLD, count), rng)
        best = min(candidates, key=value_of)._replace(is_placement=True)
        return _distinct([*candidates, *self._annealed(best, np.geomspace(COLD, COLD / 10, polished), rng)])

    def _improved_cells(
        self, starts: Sequence[Candidate], evaluations: int, rng: np.random.Generator
    ) -> Iterator[Candidate]:
        """Yield ever better states from each start."""
        for start in starts:
            shared = self.objective.prefix_values, self.problem, self.work, self.progress
            for whole in Cells(*shared, start.is_placement).improved(copy_of(start.state), evaluations, rng):
                yield Candidate(whole.value, whole.state, is_placement=True)

    def chains(self, candidate: Candidate) -> list[Composition]:
        """Return the best prefix of a candidate's chains, and all of them."""
        self._candidate(candidate.state, candidate.is_placement)
        value = self.work.value[: self.work.chains.counts[1]]
        composition = gca(self.system, candidate.placement)
        best = np.flatnonzero(value <= value.min() * (1 + SAME)) if np.isfinite(value.min()) else [value.size - 1]
        kept = int(best[-1]) + 1  # of equals the longest, as further chains help where the model is wrong
        return [composition] if kept >= len(composition) else [composition.only(range(kept)), composition]

    def _candidate(self, state: State, is_placement: bool) -> Candidate:
        """Return a state with its value."""
        value = evaluate(self.objective.prefix_values, self.problem, state, self.work, is_placement)
        return Candidate(value, state, is_placement)

    def _annealed(
        self, start: Candidate, temperatures: NDArray[np.float64], rng: np.random.Generator
    ) -> Iterator[Candidate]:
        """Yield the best state after each chunk of evaluations."""
        states = copy_of(start.state), empty_state(start.state.order.size), copy_of(start.state)
        values = np.full(2, start.value)
        for first in range(0, temperatures.size, CHUNK):
            chunk = temperatures[first : first + CHUNK]
            rows = np.column_stack([rng.random((chunk.size, 5)), rng.standard_normal(chunk.size)])
            arguments = self.problem, states, self.work, rows, chunk, start.is_placement, values
            anneal(self.objective.prefix_values, *arguments)
            yield Candidate(values[1], copy_of(states[2]), start.is_placement)
            self.progress(chunk.size)


def value_of(candidate: Candidate) -> float:
    """Return the value of a candidate."""
    return candidate.value


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates with different placements, the best first."""
    placements: dict[tuple[bytes, bytes], Candidate] = {}
    for candidate in sorted(candidates, key=value_of):
        ranges = candidate.state.first_block.tobytes(), candidate.state.block_count.tobytes()
        placements.setdefault(ranges, candidate)
    return list(placements.values())
