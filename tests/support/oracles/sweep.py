"""The events of a finished simulation, reconstructed from the jobs' times alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from system.response import JobTimes

RESOLUTION_S = 1e-9  # times closer than this are one instant, because start = arrival + waiting is rounded


@dataclass(frozen=True)
class Sweep:
    """Counts of jobs just after each instant, when all of its events have happened."""

    times: JobTimes
    capacity: np.ndarray

    @cached_property
    def _instants(self) -> np.ndarray:
        """Return (3, n) the instants at which each job arrived, started and completed.

        Instants are numbered from 0.
        """
        times = self.times
        start_s = times.arrival_s + times.waiting_s
        event_s = np.stack([times.arrival_s, start_s, start_s + times.service_s])
        order = np.argsort(event_s, axis=None)
        number = np.empty(event_s.size, np.int64)
        number[order] = np.cumsum(np.diff(event_s.ravel()[order], prepend=-np.inf) > RESOLUTION_S) - 1
        return number.reshape(event_s.shape)

    def _so_far(self, instants: np.ndarray) -> np.ndarray:
        return np.cumsum(np.bincount(instants, minlength=int(self._instants.max()) + 1))

    @cached_property
    def in_service(self) -> np.ndarray:
        """Return (K, instants) the number of jobs in service on each chain."""
        _, start, end = self._instants
        chains = [self.times.chain == k for k in range(self.capacity.size)]
        return np.stack([self._so_far(start[on]) - self._so_far(end[on]) for on in chains])

    @property
    def waiting(self) -> np.ndarray:
        """Return (instants,) the number of jobs that have arrived and not started."""
        arrival, start, _ = self._instants
        return self._so_far(arrival) - self._so_far(start)

    def never_over_capacity(self) -> bool:
        return bool(np.all((self.in_service >= 0) & (self.in_service <= self.capacity[:, None])))

    def work_conserving(self) -> bool:
        """Return whether no job ever waits while a chain has room."""
        full = self.in_service.sum(axis=0) == self.capacity.sum()
        return bool(np.all(full | (self.waiting == 0)))

    def in_order_on_each_chain(self) -> bool:
        """Return whether jobs start on each chain in the order of their arrival."""
        _, start, _ = self._instants
        chains = range(self.capacity.size)
        return all(bool(np.all(np.diff(start[self.times.chain == k]) >= 0)) for k in chains)

    def started_by_a_completion(self) -> bool:
        """Return whether each job that waited starts when a job on its chain completes."""
        _, start, end = self._instants
        waited = self.times.waiting_s > RESOLUTION_S
        chains = [self.times.chain == k for k in range(self.capacity.size)]
        return all(bool(np.all(np.isin(start[on & waited], end[on]))) for on in chains)

    def started_by_an_event(self) -> bool:
        """Return whether each job starts when some job arrives or completes.

        There are no other events.
        """
        arrival, start, end = self._instants
        return bool(np.all(np.isin(start, np.concatenate([arrival, end]))))
