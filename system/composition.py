"""Compositions: the chains that jobs may take, and how many jobs each chain serves at once."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from system.checks import require, whole_vector
from system.errors import InfeasibleError, UnstableError
from system.placement import Placement
from system.system import System

if TYPE_CHECKING:  # dispatch imports numba, which takes longer to load than everything else
    from system.dispatch import Dispatch


class Chain(NamedTuple):
    """One chain in readable form: its servers in order, the blocks run at each, capacity and mean time."""

    servers: tuple[int, ...]
    blocks: tuple[int, ...]  # m_ij
    capacity: int  # c_k
    mean_service_s: float  # T_k


@dataclass(frozen=True)
class Composition:
    """K chains as ragged arrays, fastest first.

    The hops of chain k are `hop_start[k]:hop_start[k + 1]`. Every composition satisfies (1)-(3). Build one with
    `Composition.of_hops`, which sorts the chains. An allocation leaves the rule open; a complete scheme sets the policy
    that dispatches the jobs (`under`). A job takes the time and the slots of the `hop_charged` blocks, at least those
    that it runs.
    """

    system: System
    placement: Placement
    hop_server: NDArray[np.int64]  # (hops,)
    hop_blocks: NDArray[np.int64]  # (hops,), m_ij: blocks run at this hop
    hop_start: NDArray[np.int64]  # (K + 1,)
    capacity: NDArray[np.int64]  # (K,), c_k
    rule: "Dispatch | None" = None
    hop_charged: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # (hops,); empty: m_ij

    @staticmethod
    def of_hops(
        system: System,
        placement: Placement,
        hop_server: NDArray[np.int64],
        hop_blocks: NDArray[np.int64],
        hop_start: NDArray[np.int64],
        capacity: NDArray[np.int64],
        hop_charged: NDArray[np.int64] | None = None,
    ) -> "Composition":
        """Return a checked composition of the given chains, fastest first.

        Chains are sorted by their mean service times; ties keep the given order. `hop_charged` is for allocations that
        charge a job for more blocks than it runs. Raises `InfeasibleError` if there is no chain, or if the chains break
        (1)-(3).
        """
        capacity = whole_vector("capacity", capacity, minimum=1)
        if capacity.size == 0:
            raise InfeasibleError(placement.why_no_chain(system))
        charged = hop_blocks if hop_charged is None else hop_charged
        _check_hops(len(system.servers), hop_server, hop_blocks, hop_start, capacity, charged)
        coefficients_s = system.path_coefficients_s(hop_server, charged, hop_start)
        order = np.argsort(coefficients_s @ np.asarray(system.mean_job), kind="stable")
        hops, start = _hops_of(order, hop_start)
        chains = hop_server[hops], hop_blocks[hops], start, capacity[order]
        return Composition(system, placement, *chains, hop_charged=charged[hops])

    def __post_init__(self) -> None:
        if self.hop_charged.size == 0:
            object.__setattr__(self, "hop_charged", self.hop_blocks)
        self.check()

    def __len__(self) -> int:
        return self.capacity.size

    @cached_property
    def job_coefficients_s(self) -> NDArray[np.float64]:
        """Return (K, 3) the coefficients of a job's service time on each chain.

        They multiply x = (1, input tokens, output tokens - 1).
        """
        return self.system.path_coefficients_s(self.hop_server, self.hop_charged, self.hop_start)

    @cached_property
    def mean_service_s(self) -> NDArray[np.float64]:
        """Return (K,) the mean service times T_k of equation (2)."""
        return self.job_coefficients_s @ np.asarray(self.system.mean_job)

    @cached_property
    def mean_first_token_s(self) -> NDArray[np.float64]:
        """Return (K,) the mean times from start of service to first output token.

        They are the parts of T_k before decoding.
        """
        return self.job_coefficients_s[:, :2] @ np.asarray(self.system.mean_job[:2])

    def least_service_s(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) the least service time (2) of each job on any chain.

        The jobs have size 1, and `x` (n, 3) has a row (1, input tokens, output tokens - 1) for each.
        """
        least_s = np.full(len(x), np.inf)
        for coefficients_s in self.job_coefficients_s:
            np.minimum(least_s, x @ coefficients_s, out=least_s)
        return least_s

    @property
    def service_rate_per_s(self) -> NDArray[np.float64]:
        """Return (K,) the service rates μ_k = 1/T_k, in descending order."""
        return 1.0 / self.mean_service_s

    @property
    def total_rate_per_s(self) -> float:
        """Return the total service rate ν of equation (4)."""
        return float(self.capacity @ self.service_rate_per_s)

    @property
    def load(self) -> float:
        """Return the load λ/ν."""
        return self.system.arrival_rate_per_s / self.total_rate_per_s

    @property
    def total_capacity(self) -> int:
        """Return C, the number of jobs in service when every chain is full."""
        return int(self.capacity.sum())

    @property
    def charges_extra(self) -> bool:
        """Return whether jobs take time and slots for blocks that they do not run."""
        return bool((self.hop_charged != self.hop_blocks).any())

    @cached_property
    def shared_servers(self) -> frozenset[int]:
        """Return the servers that one chain or several visit more than once."""
        servers, visits = np.unique(self.hop_server, return_counts=True)
        return frozenset(servers[visits > 1].tolist())

    @property
    def most_hops(self) -> int:
        """Return the number of hops of the longest chain."""
        return int(np.diff(self.hop_start).max())

    @property
    def sizes(self) -> Mapping[str, float]:
        """Return the number of chains, their total capacity, and the number of different rates."""
        rates = np.unique(self.service_rate_per_s).size
        return {"chain_count": len(self), "slot_count": self.total_capacity, "rate_count": rates}

    def composition(self) -> Self:
        """Return the chains themselves."""
        return self

    def under(self, rule: "Dispatch") -> Self:
        """Return the same chains under a dispatch policy."""
        name = getattr(rule, "__name__", rule)
        remedy = f"is only a function; name an object that is Dispatch({name}, work_conserving=False) or True"
        require(hasattr(rule, "settings"), "dispatch", name, remedy)
        return self._with("rule", rule)

    def at_rate(self, rate_per_s: float) -> Self:
        """Return the same chains at another arrival rate."""
        return self._with("system", replace(self.system, arrival_rate_per_s=rate_per_s))

    def only(self, kept: Sequence[int] | NDArray[np.int64]) -> "Composition":
        """Return the chains in `kept` (ascending) with their capacities and the rule."""
        hops, start = _hops_of(kept, self.hop_start)
        columns = {name: getattr(self, name)[hops] for name in ("hop_server", "hop_blocks", "hop_charged")}
        return replace(self, **columns, hop_start=start, capacity=self.capacity[kept])

    def _with(self, field: str, value: object) -> Self:
        """Return a copy with one field replaced, without checking it again.

        No check and no time depends on the field. Searches make very many such copies.
        """
        changed = copy(self)
        object.__setattr__(changed, field, value)
        return changed

    def chain(self, k: int) -> Chain:
        """Return chain k, counted from the fastest."""
        hops = slice(self.hop_start[k], self.hop_start[k + 1])
        servers, blocks = self.hop_server[hops].tolist(), self.hop_blocks[hops].tolist()
        return Chain(tuple(servers), tuple(blocks), int(self.capacity[k]), float(self.mean_service_s[k]))

    @property
    def chains(self) -> list[Chain]:
        """Return all chains, fastest first."""
        return [self.chain(k) for k in range(len(self))]

    def slots_used(self) -> NDArray[np.int64]:
        """Return (J,) the cache slots taken when every chain is full.

        This is the left side of (3).
        """
        per_hop = self.hop_charged * np.repeat(self.capacity, np.diff(self.hop_start))
        return np.bincount(self.hop_server, per_hop, minlength=len(self.system.servers)).astype(np.int64)

    def check(self) -> None:
        """Raise `InfeasibleError` unless the composition satisfies (1)-(3).

        The placement must fit the memory (1), every chain must run all blocks in order, and the cache slots must
        suffice (3). Arrays of the wrong length raise `InputError`.
        """
        self.placement.check(self.system)
        self._check_cover()
        slots, used = self.placement.cache_slots(self.system), self.slots_used()
        over = np.flatnonzero(used > slots)
        if over.size:
            j = int(over[0])
            raise InfeasibleError(
                f"cache slots of {self.system.servers.name(j)} = {slots[j]}: its chains need {used[j]}, which is "
                f"{used[j] - slots[j]} too many; lower the capacities of its chains"
            )

    def _check_cover(self) -> None:
        """Raise `InfeasibleError` unless every chain runs all blocks in order.

        Each hop must continue at the block where the previous hop ended, and run to the end of its server's range.
        """
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


def _hops_of(
    chosen: Sequence[int] | NDArray[np.int64], hop_start: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the hops of chosen chains, and where the hops of each then begin."""
    length = np.diff(hop_start)[chosen]
    start = np.concatenate([[0], np.cumsum(length)])
    return np.repeat(hop_start[:-1][chosen] - start[:-1], length) + np.arange(start[-1]), start


def _check_hops(
    server_count: int,
    hop_server: NDArray[np.int64],
    hop_blocks: NDArray[np.int64],
    hop_start: NDArray[np.int64],
    capacity: NDArray[np.int64],
    hop_charged: NDArray[np.int64],
) -> None:
    """Raise `InputError` unless the ragged arrays fit together and refer to existing servers."""
    for name, blocks in (("hop_blocks", hop_blocks), ("hop_charged", hop_charged)):
        require(hop_server.size == blocks.size, name, f"{blocks.size} hops", f"give {hop_server.size}")
    charged = bool(np.all(hop_charged >= hop_blocks))
    require(charged, "hop_charged", hop_charged, "must be at least the blocks that are run, hop_blocks")
    fits = hop_start.size == capacity.size + 1 and hop_start[0] == 0 and hop_start[-1] == hop_server.size
    require(
        bool(fits and np.all(np.diff(hop_start) > 0)),
        "hop_start",
        hop_start,
        f"must ascend from 0 to {hop_server.size} in {capacity.size + 1} numbers",
    )
    known = bool(np.all((hop_server >= 0) & (hop_server < server_count)))
    require(known, "hop_server", hop_server, f"must be numbers of the {server_count} servers, 0 to {server_count - 1}")
