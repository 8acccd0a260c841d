"""Admission to chains: the dispatch policy says which chain takes the head of the central queue."""

import math
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from algorithms.dispatch import Dispatch
from evaluators.admission.decisions import Hop, Path, Start, no_path_left
from system import Composition
from system.checks import require


class ChainAdmission:
    """As `simulation.engine`, one event at a time and without knowing when a job will end.

    A policy is asked about the chains that are left: after a loss these have new places in its arrays, in the same
    order.
    """

    next_look_s = math.inf

    def __init__(self, composition: Composition, dispatch: Dispatch, uniform: NDArray[np.float64]) -> None:
        count = len(composition)
        self._dispatch, self._uniform = dispatch, uniform
        self._paths = [_path(composition, k) for k in range(count)]
        self._capacity, self._rate_per_s = composition.capacity, composition.service_rate_per_s
        self._busy, self._queued = np.zeros((2, count), np.int64)
        self._chains = list(range(count))  # at each place
        self._places = {k: k for k in self._chains}
        self._queues: list[deque[int]] = [deque() for _ in self._chains]  # each chain's own
        self._central: deque[int] = deque()
        self._chain_of: dict[int, int] = {}  # jobs in service
        self._vacated: list[int] = []  # chains that jobs have left since `starts` was asked last

    def arrive(self, job: int, now_s: float) -> None:
        if not self._chains:
            raise no_path_left()
        self._central.append(job)

    def leave(self, job: int, now_s: float) -> None:
        chain = self._chain_of.pop(job)
        if chain in self._places:
            self._busy[self._places[chain]] -= 1
            self._vacated.append(chain)

    def starts(self, now_s: float) -> list[Start]:
        return [*self._from_own_queues(), *self._from_central_queue()]

    def lose_server(self, server: int) -> list[int]:
        """Jobs in the own queues of chains that are gone are the next that the policy is asked about."""
        gone = [any(hop.server == server for hop in self._paths[k]) for k in self._chains]
        stranded = sorted(job for queue, lost in zip(self._queues, gone, strict=True) if lost for job in queue)
        self._central.extendleft(reversed(stranded))
        self._keep([place for place, lost in enumerate(gone) if not lost])
        if self._chains:
            return []
        waiting, self._central = list(self._central), deque()
        return waiting

    def _from_own_queues(self) -> Iterator[Start]:
        vacated, self._vacated = self._vacated, []
        for chain in vacated:
            place = self._places.get(chain, -1)
            if place >= 0 and self._queued[place]:
                self._queued[place] -= 1
                yield self._start(self._queues[place].popleft(), place)

    def _from_central_queue(self) -> Iterator[Start]:
        while self._central:
            place = self._choice()
            if place < 0:
                return
            job = self._central.popleft()
            if self._busy[place] < self._capacity[place]:
                yield self._start(job, place)
            else:
                self._queued[place] += 1
                self._queues[place].append(job)

    def _choice(self) -> int:
        """The policy's answer about the head of the central queue."""
        state = self._busy, self._queued, len(self._central), self._capacity, self._rate_per_s
        policy = self._dispatch.policy
        place = policy(*state, self._dispatch.settings, self._uniform[self._central[0]])
        limit = len(self._chains)
        require(place < limit, "dispatch", policy.__name__, f"must answer with a chain below {limit} or with -1")
        return place

    def _start(self, job: int, place: int) -> Start:
        chain = self._chains[place]
        self._busy[place] += 1
        self._chain_of[job] = chain
        return Start(job, self._paths[chain], chain)

    def _keep(self, places: list[int]) -> None:
        """Leave only the chains at these places."""
        for name in ("_capacity", "_rate_per_s", "_busy", "_queued"):
            setattr(self, name, getattr(self, name)[places])
        self._chains = [self._chains[place] for place in places]
        self._queues = [self._queues[place] for place in places]
        self._places = {chain: place for place, chain in enumerate(self._chains)}


def _path(composition: Composition, k: int) -> Path:
    """The hops of chain k."""
    chain = composition.chain(k)
    ends = np.cumsum(chain.blocks).tolist()
    hops = zip(chain.servers, ends, chain.blocks, strict=True)
    return tuple(Hop(server, end - blocks, blocks) for server, end, blocks in hops)
