"""A composition: the chains that jobs may take and how many jobs each can hold at once."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from system.checks import require, whole_vector
from system.errors import InfeasibleError, UnstableError
from system.placement import Placement
from system.system import System

if TYPE_CHECKING:  # numba, which dispatch needs, takes longer to load than all else
    from system.dispatch import Dispatch


class Chain(NamedTuple):
    """One chain, for people and pictures: its servers in order, the blocks run at each, capacity and mean time."""

    servers: tuple[int, ...]
    blocks: tuple[int, ...]  # m_ij
    capacity: int  # c_k
    mean_service_s: float  # T_k


@dataclass(frozen=True)
class Composition:
    """K chains as ragged arrays, fastest first; `hop_start[k]:hop_start[k + 1]` are the hops of chain k.

    There is none that breaks (1)-(3). Make it by `Composition.of_hops`, which sorts the chains. An allocation leaves
    the rule open; a complete scheme says which policy dispatches the jobs (`under`).
    """

    system: System
    placement: Placement
    hop_server: NDArray[np.int64]  # (hops,)
    hop_blocks: NDArray[np.int64]  # (hops,), m_ij: blocks run at this hop
    hop_start: NDArray[np.int64]  # (K + 1,)
    capacity: NDArray[np.int64]  # (K,), c_k
    rule: "Dispatch | None" = None

    @staticmethod
    def of_hops(
        system: System,
        placement: Placement,
        hop_server: NDArray[np.int64],
        hop_blocks: NDArray[np.int64],
        hop_start: NDArray[np.int64],
        capacity: NDArray[np.int64],
    ) -> "Composition":
        """The checked composition with its chains in the order of their mean service times (ties: as given)."""
        capacity = whole_vector("capacity", capacity, minimum=1)
        if capacity.size == 0:
            raise InfeasibleError(_why_no_chain(system, placement))
        _check_hops(len(system.servers), hop_server, hop_blocks, hop_start, capacity)
        coefficients_s = _job_coefficients_s(system, hop_server, hop_blocks, hop_start)
        order = np.argsort(coefficients_s @ np.asarray(system.mean_job), kind="stable")
        length = np.diff(hop_start)[order]
        start = np.concatenate([[0], np.cumsum(length)])
        hops = np.repeat(hop_start[:-1][order] - start[:-1], length) + np.arange(start[-1])
        return Composition(system, placement, hop_server[hops], hop_blocks[hops], start, capacity[order])

    def __post_init__(self) -> None:
        self.check()

    def __len__(self) -> int:
        return self.capacity.size

    @cached_property
    def job_coefficients_s(self) -> NDArray[np.float64]:
        """(K, 3) service time of a job on chain k as coefficients of x = (1, input tokens, output tokens - 1)."""
        return _job_coefficients_s(self.system, self.hop_server, self.hop_blocks, self.hop_start)

    @cached_property
    def mean_service_s(self) -> NDArray[np.float64]:
        """(K,) T_k of (2)."""
        return self.job_coefficients_s @ np.asarray(self.system.mean_job)

    @cached_property
    def mean_first_token_s(self) -> NDArray[np.float64]:
        """(K,) mean time from the start of service to the first output token: the part of T_k before decoding."""
        return self.job_coefficients_s[:, :2] @ np.asarray(self.system.mean_job[:2])

    @property
    def service_rate_per_s(self) -> NDArray[np.float64]:
        """(K,) μ_k = 1/T_k, descending."""
        return 1.0 / self.mean_service_s

    @property
    def total_rate_per_s(self) -> float:
        """ν of (4)."""
        return float(self.capacity @ self.service_rate_per_s)

    @property
    def load(self) -> float:
        """λ/ν."""
        return self.system.arrival_rate_per_s / self.total_rate_per_s

    @property
    def slot_count(self) -> int:
        """C: jobs in service at once when every chain is full."""
        return int(self.capacity.sum())

    @property
    def most_hops(self) -> int:
        """Hops of the longest chain."""
        return int(np.diff(self.hop_start).max())

    @property
    def sizes(self) -> Mapping[str, float]:
        """Numbers of chains, of jobs at once, and of different service rates."""
        rates = np.unique(self.service_rate_per_s).size
        return {"chain_count": len(self), "slot_count": self.slot_count, "rate_count": rates}

    def composition(self) -> Self:
        """Return the chains themselves."""
        return self

    def under(self, rule: "Dispatch") -> Self:
        """Return the same chains under a dispatch policy."""
        return self._with("rule", rule)

    def at_rate(self, rate_per_s: float) -> Self:
        """Return the same chains at another arrival rate."""
        return self._with("system", replace(self.system, arrival_rate_per_s=rate_per_s))

    def _with(self, field: str, value: object) -> Self:
        """Return a copy with a field that no check and no time depends on; a search makes very many."""
        changed = copy(self)
        object.__setattr__(changed, field, value)
        return changed

    def chain(self, k: int) -> Chain:
        """Chain k, counted from the fastest."""
        hops = slice(self.hop_start[k], self.hop_start[k + 1])
        servers, blocks = self.hop_server[hops].tolist(), self.hop_blocks[hops].tolist()
        return Chain(tuple(servers), tuple(blocks), int(self.capacity[k]), float(self.mean_service_s[k]))

    @property
    def chains(self) -> list[Chain]:
        """Every chain, fastest first."""
        return [self.chain(k) for k in range(len(self))]

    def slots_used(self) -> NDArray[np.int64]:
        """(J,) cache slots taken when every chain is full: the left side of (3)."""
        per_hop = self.hop_blocks * np.repeat(self.capacity, np.diff(self.hop_start))
        return np.bincount(self.hop_server, per_hop, minlength=len(self.system.servers)).astype(np.int64)

    def check(self) -> None:
        """Raise unless the placement holds (1), every chain covers all blocks in order, and the slots suffice (3)."""
        self.placement.check(self.system)
        self._check_cover()
        slots, used = self.placement.cache_slots(self.system), self.slots_used()
        over = np.flatnonzero(used > slots)
        if over.size:
            j = int(over[0])
            raise InfeasibleError(
                f"{self.system.servers.name(j)} has {slots[j]} cache slots but its chains need {used[j]}: "
                f"{used[j] - slots[j]} are missing, lower the capacities of its chains"
            )

    def _check_cover(self) -> None:
        """Each hop continues at the block where the last one ended and runs to the end of its server's range."""
        done = np.cumsum(self.hop_blocks)
        length = np.diff(self.hop_start)
        done -= np.repeat(np.concatenate([[0], done])[self.hop_start[:-1]], length)
        begin = done - self.hop_blocks
        placement = self.placement
        legal = (
            (self.hop_blocks > 0)
            & (placement.first_block[self.hop_server] <= begin)
            & (placement.end_block[self.hop_server] == done)
        )
        complete = done[self.hop_start[1:] - 1] == self.system.model.block_count
        if not (legal.all() and complete.all()):
            broken = ~np.logical_and.reduceat(legal, self.hop_start[:-1]) | ~complete
            k = int(np.flatnonzero(broken)[0])
            raise InfeasibleError(
                f"chain {k} {self.chain(k).servers} does not run blocks 0 to {self.system.model.block_count - 1} "
                "once each and in order: follow the ranges that its servers host"
            )

    def check_stable(self) -> None:
        """Raise `UnstableError` unless λ < ν (4)."""
        rate, total = self.system.arrival_rate_per_s, self.total_rate_per_s
        if rate >= total:
            raise UnstableError(
                f"arrival_rate_per_s = {rate:g}: must be below the total service rate {total:g}/s of the "
                f"{len(self)} chain{'s' * (len(self) != 1)}; lower the rate or add servers"
            )


def _job_coefficients_s(
    system: System, hop_server: NDArray[np.int64], hop_blocks: NDArray[np.int64], hop_start: NDArray[np.int64]
) -> NDArray[np.float64]:
    visits_s = system.servers.visit_coefficients_s(hop_server, hop_blocks)
    return np.add.reduceat(visits_s, hop_start[:-1], axis=0)


def _check_hops(
    server_count: int,
    hop_server: NDArray[np.int64],
    hop_blocks: NDArray[np.int64],
    hop_start: NDArray[np.int64],
    capacity: NDArray[np.int64],
) -> None:
    """Raise unless the ragged arrays fit together and name servers that there are."""
    require(hop_server.size == hop_blocks.size, "hop_blocks", f"{hop_blocks.size} hops", f"give {hop_server.size}")
    framed = hop_start.size == capacity.size + 1 and hop_start[0] == 0 and hop_start[-1] == hop_server.size
    require(
        bool(framed and np.all(np.diff(hop_start) > 0)),
        "hop_start",
        hop_start,
        f"must ascend from 0 to {hop_server.size} in {capacity.size + 1} numbers",
    )
    known = bool(np.all((hop_server >= 0) & (hop_server < server_count)))
    require(known, "hop_server", hop_server, f"must be numbers of the {server_count} servers, 0 to {server_count - 1}")


def _why_no_chain(system: System, placement: Placement) -> str:
    """Which block no server hosts; if all are hosted, that no path has a free cache slot."""
    hosted = np.zeros(system.model.block_count + 1, dtype=np.int64)
    np.add.at(hosted, placement.first_block[placement.block_count > 0], 1)
    np.add.at(hosted, placement.end_block[placement.block_count > 0], -1)
    uncovered = np.flatnonzero(np.cumsum(hosted)[:-1] == 0)
    if uncovered.size:
        total_gb, needed_gb = system.servers.memory_gb.sum(), system.model.block_count * system.model.block_memory_gb
        return (
            f"no chain: {uncovered.size} of {system.model.block_count} blocks, the first is block {uncovered[0]}, "
            f"are on no server ({total_gb:g} GB of memory in all, {needed_gb:g} GB for the blocks alone); "
            "add servers or reserve less cache"
        )
    return "no chain: every block is hosted, but no path through all of them has a free cache slot; host fewer blocks"
