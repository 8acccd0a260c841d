"""Markov chains under thresholds, state by state, for systems small enough to list their states.

`Whole` is the loss system of thresholds, and `Tagged` one job that waits, from its arrival to its start.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from system.errors import NotApplicableError

Floats = NDArray[np.float64]
Slots = tuple[int, ...]
State = TypeVar("State", bound=Hashable)

MOST_STATES = 30_000


class Rules(NamedTuple):
    """Chains and their thresholds, fastest chain first; plain numbers, as states are listed one by one."""

    arrival_rate: float
    spare_rate: float  # ν - λ
    rate: tuple[float, ...]
    capacity: Slots
    thresholds: Slots

    def start(self, busy: Slots, waiting: int) -> int | None:
        """Return the chain on which the head starts, if any."""
        for k, (jobs, most) in enumerate(zip(busy, self.capacity, strict=True)):
            if jobs < most:
                return k if waiting > self.thresholds[k] else None
        return None

    @property
    def fast(self) -> int:
        """Return the number of chains with a threshold of 0."""
        return self.thresholds.count(0)


def whole_moves(rules: Rules, state: tuple[Slots, int]) -> Iterator[tuple[float, tuple[Slots, int]]]:
    """Yield the rates and next states of the loss system.

    A state is (busy slots of each chain, waiting jobs). Arrivals to the last state are lost.
    """
    busy, waiting = state
    if (busy, waiting) != (rules.capacity, rules.thresholds[-1]):
        yield rules.arrival_rate, _after(rules, busy, waiting + 1)
    for k, jobs in enumerate(busy):
        if jobs:
            yield rules.rate[k] * jobs, _after(rules, _changed(busy, k, -1), waiting)


def _after(rules: Rules, busy: Slots, waiting: int) -> tuple[Slots, int]:
    """Return the state once the head has started, or waits."""
    k = rules.start(busy, waiting)
    return (busy, waiting) if k is None else (_changed(busy, k, 1), waiting - 1)


def _changed(busy: Slots, k: int, jobs: int) -> Slots:
    return (*busy[:k], busy[k] + jobs, *busy[k + 1 :])


class Tagged(NamedTuple):
    """A waiting job: the busy slots of all chains and how many jobs wait before and behind it.

    Let θ be the last threshold. If at least θ wait behind it, all slots are busy until it starts, and `behind` is θ.
    If at least θ wait before it, their number beyond θ - 1 is geometric and `ahead` is θ: the time until θ - 1 are left
    is Exp(ν - λ) and does not depend on the jobs behind. So no state is cut.
    """

    busy: Slots
    ahead: int
    behind: int


def tagged_moves(rules: Rules, job: Tagged) -> Iterator[tuple[float, Tagged | int]]:
    """Yield the rates and next states of a waiting job.

    A number is the chain on which it starts.
    """
    most = rules.thresholds[-1]
    if job.behind < most:
        yield rules.arrival_rate, _then(rules, job._replace(behind=job.behind + 1))
    if job.ahead == most:
        yield rules.spare_rate, job._replace(ahead=most - 1)
        return
    for k, jobs in enumerate(job.busy):
        if jobs:
            yield rules.rate[k] * jobs, _then(rules, job._replace(busy=_changed(job.busy, k, -1)))


def _then(rules: Rules, job: Tagged) -> Tagged | int:
    """Return the state once the head has started, or waits.

    If the job is the head, return the chain on which it starts.
    """
    k = rules.start(job.busy, job.ahead + 1 + job.behind)
    if k is None:
        return job
    return k if job.ahead == 0 else job._replace(busy=_changed(job.busy, k, 1), ahead=job.ahead - 1)


@dataclass(frozen=True)
class Listed(Generic[State]):
    """The states that some states reach, and the moves between them; an int is an end, not a state."""

    index: dict[State, int]
    flow: sp.csr_array  # (n, n) rates
    ends: sp.csr_array  # (n, K) rates

    @classmethod
    def from_roots(
        cls, roots: Iterable[State], moves: Callable[[State], Iterator[tuple[float, State | int]]], end_count: int
    ) -> "Listed[State]":
        """List all states; raise `NotApplicableError` above `MOST_STATES`."""
        front = list(dict.fromkeys(roots))
        index = {state: i for i, state in enumerate(front)}
        inside: list[tuple[float, int, int]] = []
        ends: list[tuple[float, int, int]] = []
        while front:
            state = front.pop()
            for rate, target in moves(state):
                if isinstance(target, int):
                    ends.append((rate, index[state], target))
                    continue
                if target not in index:
                    index[target] = len(index)
                    front.append(target)
                inside.append((rate, index[state], index[target]))
            if len(index) > MOST_STATES:
                raise _too_many_states()
        return cls(index, _matrix(inside, len(index), len(index)), _matrix(ends, len(index), end_count))

    def stationary(self) -> Floats:
        """Return stationary probabilities; the first state must recur."""
        transposed = sp.csc_array(self.flow - sp.diags_array(self.flow.sum(axis=1))).T.tocsc()
        solve = splu(transposed[1:, 1:], diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve
        weight = np.concatenate([[1.0], solve(-transposed[1:, [0]].toarray().ravel())])
        return weight / weight.sum()


def _too_many_states() -> NotApplicableError:
    return NotApplicableError(
        f"thresholds: percentiles are known for systems of at most {MOST_STATES:,} states, and this has more; ask for "
        "means only (evaluator.quantiles=[]) or use evaluator=simulation"
    )


def _matrix(entries: list[tuple[float, int, int]], rows: int, columns: int) -> sp.csr_array:
    rate, row, column = np.array(entries).reshape(-1, 3).T
    return sp.csr_array((rate, (row.astype(np.int64), column.astype(np.int64))), shape=(rows, columns))


def waits_of(rules: Rules) -> dict[Tagged, float]:
    """Return the shares of jobs that begin to wait, by state."""
    empty = ((0,) * len(rules.capacity), 0)
    whole = Listed.from_roots([empty], partial(whole_moves, rules), len(rules.capacity))
    full, most, share = (rules.capacity, rules.thresholds[-1]), rules.thresholds[-1], whole.stationary()
    beyond = rules.arrival_rate / rules.spare_rate * share[whole.index[full]]
    begin = {Tagged(rules.capacity, most, 0): (share[whole.index[full]] + beyond) / (1 + beyond)}
    for (busy, waiting), i in whole.index.items():
        if busy[: rules.fast] == rules.capacity[: rules.fast] and (busy, waiting) != full:
            later, queue = _after(rules, busy, waiting + 1)
            state = Tagged(later, queue - 1, 0)
            begin[state] = begin.get(state, 0.0) + share[i] / (1 + beyond)
    return begin
