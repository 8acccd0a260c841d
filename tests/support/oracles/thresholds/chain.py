"""The Markov chain of a dispatch policy: its states by search from the empty system, solved as a sparse system.

The states are the busy slots of all chains and the number of waiting jobs. After each event the compiled policy itself
is called until it returns -1, as `system.dispatch` says, so this is independent of any formula.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import expm_multiply, splu

from algorithms.dispatch.thresholds import thresholds as policy
from tests.support.oracles.instances import Queue

State = tuple[tuple[int, ...], int]
LOG_TAIL = np.log(1e-20)  # as in evaluators.queueing.markov


@dataclass(frozen=True)
class ThresholdChain:
    """The chain of a queue, fastest chain first, under thresholds (K,)."""

    queue: Queue
    thresholds: np.ndarray

    def after(self, busy: tuple[int, ...], waiting: int) -> tuple[State, list[int]]:
        """Return the state after all starts, and the started chains."""
        now, starts, settings = np.array(busy), [], self.thresholds.astype(float)
        while waiting > 0:
            k = policy(now, now * 0, waiting, self.queue.capacities, self.queue.service_rates, settings, 0.5)
            if k < 0:
                break
            now[k], waiting = now[k] + 1, waiting - 1
            starts.append(k)
        return (tuple(now.tolist()), waiting), starts

    def moves(self, state: State) -> list[tuple[float, State, list[int]]]:
        """Return rates, next states and started chains."""
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
        """Return the index of each reached state."""
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

    def response_tail(self, time_s: float) -> float:
        """Return P(response time > `time_s`) by the matrix exponential.

        It follows a job in all states of the whole chain, with the number of jobs ahead, up to the cut of the queue.
        """
        begin, moves = self._begin(), self._job_moves
        index, front = {state: i for i, state in enumerate(begin)}, list(begin)
        edges: list[tuple[int, int, float]] = []
        while front:
            job = front.pop()
            for rate, to in moves(job):
                if to not in index:
                    index[to] = len(index)
                    front.append(to)
                edges.append((index[to], index[job], rate))
        target, origin, rate = (np.array(column) for column in zip(*edges, strict=True))
        flow = sp.csc_array((rate, (target, origin)), shape=(len(index),) * 2)
        share = np.zeros(len(index))
        for job, probability in begin.items():
            share[index[job]] = probability
        then = expm_multiply((flow - sp.diags_array(flow.sum(axis=0))) * time_s, share)
        return float(then.sum() - then[index["gone"]])

    def _begin(self) -> dict[object, float]:
        """Return the probability of each state of an arriving job."""
        begin: dict[object, float] = {}
        for (busy, waiting), i in self.states.items():
            state, starts = self.after(busy, waiting + 1)
            job: object = ("served", starts[waiting]) if len(starts) > waiting else (state, waiting - len(starts))
            begin[job] = begin.get(job, 0.0) + self.probability[i]
        return begin

    def _job_moves(self, job: tuple) -> list[tuple[float, object]]:
        """Return the rates and next states of a job."""
        if job == "gone":
            return []
        if job[0] == "served":
            return [(self.queue.service_rates[job[1]], "gone")]
        state, ahead = job
        moves: list[tuple[float, object]] = []
        for rate, to, starts in self.moves(state):
            if to in self.states:
                served = len(starts) > ahead
                moves.append((rate, ("served", starts[ahead]) if served else (to, ahead - len(starts))))
        return moves
