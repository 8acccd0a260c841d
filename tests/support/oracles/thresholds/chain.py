"""The Markov chain of a dispatch policy: its states by search from the empty system, solved as a sparse system.

The states are the busy slots of all chains and the number of waiting jobs. After each event the compiled policy itself
is called until it returns -1, as `system.dispatch` says, so this is independent of any formula.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from algorithms.dispatch.thresholds import thresholds as policy
from tests.support.oracles.instances import Queue

State = tuple[tuple[int, ...], int]
LOG_TAIL = np.log(1e-20)


@dataclass(frozen=True)
class ThresholdChain:
    """The chain of a queue, fastest chain first, under thresholds (K,)."""

    queue: Queue
    thresholds: np.ndarray

    def after(self, busy: tuple[int, ...], waiting: int) -> tuple[State, list[int]]:
        """Return the state once the policy has returned -1, and the started chains."""
        now, starts, settings = np.array(busy), [], self.thresholds.astype(float)
        while waiting > 0:
            k = policy(now, now * 0, waiting, self.queue.capacities, self.queue.service_rates, settings, 0.5)
            if k < 0:
                break
            now[k], waiting = now[k] + 1, waiting - 1
            starts.append(k)
        return (tuple(now.tolist()), waiting), starts

    def moves(self, state: State) -> list[tuple[float, State, list[int]]]:
        """Return the rate, the next state and the started chains of each event."""
        busy, waiting = state
        events = [(self.queue.arrival_rate, *self.after(busy, waiting + 1))]
        for k, jobs in enumerate(busy):
            if jobs:
                fewer = tuple(b - (j == k) for j, b in enumerate(busy))
                events.append((self.queue.service_rates[k] * jobs, *self.after(fewer, waiting)))
        return events

    @cached_property
    def longest_queue(self) -> int:
        load = self.queue.arrival_rate / float(self.queue.service_rates @ self.queue.capacities)
        return int(np.ceil(LOG_TAIL / np.log(load))) + 1 + int(self.thresholds.max())

    @cached_property
    def states(self) -> dict[State, int]:
        """Return the index of each state that the empty system reaches."""
        empty = ((0,) * self.thresholds.size, 0)
        index, front = {empty: 0}, [empty]
        while front:
            for _, state, _ in self.moves(front.pop()):
                if state not in index and state[1] <= self.longest_queue:
                    index[state] = len(index)
                    front.append(state)
        return index

    @cached_property
    def probability(self) -> np.ndarray:
        """Return the stationary probability of each state."""
        index = self.states
        edges = [(i, index[to], rate) for state, i in index.items() for rate, to, _ in self.moves(state) if to in index]
        origin, target, rate = (np.array(column) for column in zip(*edges, strict=True))
        flow = sp.csc_array((rate, (origin, target)), shape=(len(index),) * 2)
        transposed = sp.csc_array(flow - sp.diags_array(flow.sum(axis=1))).T.tocsc()
        solve = splu(transposed[1:, 1:], diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve
        weight = np.concatenate([[1.0], solve(-transposed[1:, [0]].toarray().ravel())])
        return weight / weight.sum()

    @property
    def mean_response_s(self) -> float:
        jobs = np.array([sum(busy) + waiting for busy, waiting in self.states])
        return float(self.probability @ jobs) / self.queue.arrival_rate

    @property
    def chain_shares(self) -> np.ndarray:
        busy = np.array([busy for busy, _ in self.states])
        return self.queue.service_rates * (self.probability @ busy) / self.queue.arrival_rate

    @property
    def waiting_probability(self) -> float:
        waits = [self.after(busy, waiting + 1)[0][1] > 0 for busy, waiting in self.states]
        return float(self.probability @ np.array(waits))
