"""The search for many servers: cells of a few chains are annealed by the values of their slots.

Compositions of hundreds of servers take long to evaluate, and a change of one server changes little. So the servers of
one to three chains, a *cell*, are annealed on their own. There a slot counts by its marginal value v(T): how much the
value of the whole falls with one more slot of service time T. A cell that is better by this measure is accepted if the
value of the whole falls.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.composition_search.annealing import anneal, evaluate
from algorithms.composition_search.state import Problem, State, Work, copy_of, work_for
from algorithms.composition_search.values import PREFIX_VALUES
from system.code.compiler import compiled

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_CHAINS = 3  # of a cell
CELL_EVALUATIONS = 1000
ABOVE_SLOTS = 1e3  # values of the whole, above those of the slots of any cell
GRID = 24  # service times at which the values of slots are computed
TEMPERATURES = np.geomspace(0.03, 2e-4, CELL_EVALUATIONS)  # as shares of the value of a cell's slots


@compiled(PREFIX_VALUES)
def slot_values(arrival_rate, time_s, capacity, count, settings, scratch, value):  # type: ignore[no-untyped-def]
    """Write what the slots of each prefix lack to a target.

    The target is twice `settings[0]`. The next two settings are the logarithms of the first and the last time of the
    grid, and the others v on the grid.
    """
    lacking, points = 2 * settings[0], settings.size - 3
    for k in range(count):
        x = (np.log(time_s[k]) - settings[1]) / (settings[2] - settings[1]) * (points - 1)
        x = min(max(x, 0.0), points - 1.0)
        point = min(int(x), points - 2)
        slot = settings[3 + point] + (x - point) * (settings[4 + point] - settings[3 + point])
        lacking -= capacity[k] * slot
        value[k] = max(lacking, 1e-9 * settings[0])


class Whole(NamedTuple):
    """A state of all servers, its value, and the servers of each of its chains."""

    value: float
    state: State
    members: list[Ints]


@dataclass(frozen=True)
class Cells:
    """The search by cells at one arrival rate.

    The chains of a cell are those that Alg. 1 forms from orders and reservations. They have no server in common. With
    `is_placement` they are those of GCA, and the ranges of blocks themselves are annealed.
    """

    prefix_values: Callable[..., Any]
    problem: Problem
    work: Work
    progress: Callable[[int], object]
    is_placement: bool = False

    def improved(self, state: State, evaluations: int, rng: np.random.Generator) -> Iterator[Whole]:
        """Yield ever better states."""
        value = float(evaluate(self.prefix_values, self.problem, state, self.work, self.is_placement))
        whole = Whole(value, state, _hops(self.work) if self.is_placement else _split(state.order, self.work.chain))
        slots = self._slot_settings(value)
        for _ in range(evaluations // CELL_EVALUATIONS):
            changed = self._with_new_cell(whole, slots, rng)
            self.progress(CELL_EVALUATIONS)
            if changed.value < whole.value:
                whole = changed
                yield whole
                slots = self._slot_settings(self._value(whole.state))

    def _value(self, state: State) -> float:
        """Return the value of a placement."""
        return float(evaluate(self.prefix_values, self.problem, state, self.work, True))

    def _with_new_cell(self, whole: Whole, slots: Floats, rng: np.random.Generator) -> Whole:
        """Return the whole with one to three chains annealed anew."""
        chosen = rng.permutation(len(whole.members))[: rng.integers(1, MOST_CHAINS + 1)]
        servers = np.concatenate([whole.members[n] for n in chosen])
        servers = np.unique(servers) if self.is_placement else servers
        problem, is_placement = _part(self.problem, servers), self.is_placement
        cell = State(np.arange(servers.size), *(column[servers] for column in whole.state[1:]))
        work = work_for(problem, slots.copy())
        work.settings[0] = far = ABOVE_SLOTS * whole.value
        work.settings[0] = 2 * far - evaluate(slot_values, problem, cell, work, is_placement)  # value of its slots now
        if work.settings[0] <= 0:
            return whole
        best, values = copy_of(cell), np.full(2, work.settings[0])
        rows = np.column_stack([rng.random((CELL_EVALUATIONS, 5)), rng.standard_normal(CELL_EVALUATIONS)])
        states = cell, copy_of(cell), best
        anneal(slot_values, problem, states, work, rows, TEMPERATURES, is_placement, values)
        evaluate(slot_values, problem, best, work, is_placement)
        state = copy_of(whole.state)
        for column, part in zip(state[1:], best[1:], strict=True):
            column[servers] = part
        value = self._value(state)
        if is_placement:
            return Whole(value, state, _hops(self.work))
        kept = [members for n, members in enumerate(whole.members) if n not in chosen]
        return Whole(value, state, [*kept, *(servers[part] for part in _split(best.order, work.chain))])

    def _slot_settings(self, value: float) -> Floats:
        """Return the settings of `slot_values` around the composition that was evaluated last."""
        chains, count = self.work.chains, int(self.work.chains.counts[1])
        time_s, capacity = chains.time_s[:count].copy(), chains.capacity[:count].copy()
        grid_s = np.geomspace(time_s[0] / 2, time_s[-1], GRID)
        return np.array(
            [0.0, *np.log(grid_s[[0, -1]]), *(value - self._with_slot(t, time_s, capacity) for t in grid_s)]
        )

    def _with_slot(self, slot_s: float, time_s: Floats, capacity: Ints) -> float:
        """Return the value with one more slot."""
        index = int(np.searchsorted(time_s, slot_s))
        times_s, capacities = np.insert(time_s, index, slot_s), np.insert(capacity, index, 1)
        value = np.empty(times_s.size)
        rate_per_s = self.problem.arrival_rate_per_s
        self.prefix_values(rate_per_s, times_s, capacities, value.size, self.work.settings, self.work.scratch, value)
        return float(value.min())


def _part(problem: Problem, servers: Ints) -> Problem:
    """Return the problem of some servers, which need not serve λ."""
    times_s = problem.communication_s[servers], problem.block_s[servers]
    return Problem(problem.memory_gb[servers], problem.most_blocks[servers], *times_s, problem.model, 0.0)


def _split(order: Ints, chain: Ints) -> list[Ints]:
    """Return the servers of each chain in their order."""
    numbers = chain[order]
    return [order[numbers == number] for number in np.unique(numbers)]


def _hops(work: Work) -> list[Ints]:
    """Return the servers of each chain of the composition that was evaluated last."""
    count = work.chains.counts[1]
    start = work.chains.hop_start[: count + 1]
    return np.split(work.chains.hop_server[: start[-1]].copy(), start[1:-1])
