"""Helix's placement: the program, its start from known placements, and the links that it looks at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.helix.program import Cluster
from algorithms.helix.solver import Effort, solve
from algorithms.placement.gbp_cr import GbpCr
from algorithms.placement.petals import PetalsPlacement
from algorithms.placement.reservation import reserving_block_count
from system import InfeasibleError, Placement, System
from system.checks import (
    floor_with_slack,
    require_boolean,
    require_count,
    require_not_negative,
    require_one_of,
    require_positive,
)
from system.token_flow import Flow, compute_bound_tokens_per_s, link_tokens_per_s, max_flow, tokens_per_s

STARTS = ("gbp_cr", "petals")
CAPACITIES = 100  # the most c of GBP-CR
ORDERS = 8  # in which the servers of PETALS join
WORSE = 1 - 1e-9


class Best(NamedTuple):
    """A placement with its largest flow."""

    placement: Placement
    flow: Flow


@dataclass(frozen=True)
class FlowPlacement(Placement):
    """A placement with its largest flow, and the bound on the flow of every placement that its planner has proven."""

    flow_tokens_per_s: float = float("nan")
    bound_tokens_per_s: float = float("nan")

    @property
    def gap(self) -> float:
        """Return by what share of the flow the bound exceeds it."""
        return self.bound_tokens_per_s / self.flow_tokens_per_s - 1


@dataclass(frozen=True)
class HelixMilp:
    """The placement with the largest flow of tokens, as Helix's mixed-integer program finds it with HiGHS.

    The solver starts from the best placement of `starts`: GBP-CR at the values of c that change it, at most 100 of
    them, and PETALS with 8 orders of joining. It stops after `time_limit_s` or `most_nodes` nodes of its tree, or once
    the flow is within `relative_gap` of its bound. Only a limit of nodes gives the same result on every machine. If it
    finds nothing better than its start, the start is the result; `FlowPlacement` has the bound that was proven.

    `partial` lets a server run a part of its blocks. `most_links` keeps only so many links from each server to others,
    the widest first and then the nearest, beside the links of the start; Helix keeps 12 of large clusters. The bound
    then holds for placements over these links.
    """

    deterministic: ClassVar[bool] = True  # the orders of PETALS have seeds of their own

    time_limit_s: float = 60.0
    most_nodes: int | None = None
    relative_gap: float = 1e-4
    partial: bool = True
    most_links: int | None = None
    starts: Sequence[str] = STARTS

    def __post_init__(self) -> None:
        require_positive(time_limit_s=self.time_limit_s)
        require_not_negative(relative_gap=self.relative_gap)
        require_boolean(partial=self.partial)
        for name in ("most_nodes", "most_links"):
            if getattr(self, name) is not None:
                require_count(**{name: getattr(self, name)})
        for name in self.starts:
            require_one_of(STARTS, starts=name)

    def __call__(
        self, system: System, reserved_capacity: int = 1, rng: np.random.Generator | None = None
    ) -> FlowPlacement:
        """Return the best placement found; `reserved_capacity` is not used.

        Raises `InfeasibleError` if no tokens can flow through all blocks, or none were found to.
        """
        rates = tokens_per_s(system)
        best = self._start(system, rates)
        cluster = self._cluster(system, rates, best.flow if best else None)
        bound = compute_bound_tokens_per_s(system)
        _check_blocks(cluster)
        solved = solve(cluster, Effort(self.time_limit_s, self.most_nodes, self.relative_gap), best)
        if solved.placement is not None:
            flow = max_flow(system, solved.placement, self.partial, rates)
            if best is None or flow.tokens_per_s * WORSE > best.flow.tokens_per_s:
                best = Best(solved.placement, flow)
        if best is None or best.flow.tokens_per_s == 0:
            raise InfeasibleError(
                "no placement: no tokens flow through all blocks of any placement that was found; add servers, or give "
                "the search more time (time_limit_s)"
            )
        flow_per_s = best.flow.tokens_per_s
        bound = max(min(bound, solved.bound_tokens_per_s), flow_per_s)
        ranges = best.placement.first_block, best.placement.block_count
        return FlowPlacement(*ranges, flow_tokens_per_s=flow_per_s, bound_tokens_per_s=bound)

    def _start(self, system: System, rates: NDArray[np.float64]) -> Best | None:
        """Return the best of the known placements, the first of equals.

        None if no tokens flow through any of them.
        """
        best = None
        for placement in _known_placements(system, self.starts):
            flow = max_flow(system, placement, self.partial, rates)
            if flow.tokens_per_s > (best.flow.tokens_per_s if best else 0.0):
                best = Best(placement, flow)
        return best

    def _cluster(self, system: System, rates: NDArray[np.float64], flow: Flow | None) -> Cluster:
        links = link_tokens_per_s(system)
        if system.forwarding == "hub":
            rates = np.minimum(rates, links[:-1, -1:])
        kept = self._kept_links(system, links)
        if flow is not None:
            kept |= flow.edge_tokens_per_s > 0
        return Cluster(rates, links, kept, system.model.block_count, self.partial)

    def _kept_links(self, system: System, links: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (J + 1, J + 1) the links that the program looks at.

        Those of the orchestrator are all kept.
        """
        count = len(system.servers)
        kept = np.ones((count + 1, count + 1), dtype=np.bool_)
        np.fill_diagonal(kept, False)
        if self.most_links is None:
            return kept
        rtt_s = np.zeros((count, count)) if system.servers.rtt_s is None else system.servers.rtt_s
        for i in range(count):
            around = (np.arange(count) - i) % count  # spreads links over servers that are alike
            order = np.lexsort((around, rtt_s[i], -links[i, :-1]))
            kept[i, order[order != i][self.most_links :]] = False
        return kept


def _known_placements(system: System, starts: Sequence[str]) -> Iterator[Placement]:
    """Yield the placements of GBP-CR and PETALS that fit."""
    if "gbp_cr" in starts:
        for c in _changing_capacities(system):
            yield GbpCr()(system, c)
    if "petals" in starts and system.model.hidden_size is not None:
        for order in range(ORDERS):
            yield PetalsPlacement()(system, 1, np.random.default_rng(order))


def _changing_capacities(system: System) -> list[int]:
    """Return the largest c of each placement of GBP-CR.

    Beyond `CAPACITIES` of them, they are evenly thinned. The placement depends on c only through the numbers of blocks,
    and each falls at certain c (6).
    """
    model, blocks = system.model, np.arange(1, system.model.block_count + 1)
    beside_gb = np.unique(system.servers.memory_gb)[:, None] / blocks - model.block_memory_gb
    last = np.unique(floor_with_slack(np.maximum(beside_gb, 0.0) / model.cache_memory_gb))
    last = last[(last >= 1) & (last <= max(system.largest_reservation, 1))]
    counts = np.array([reserving_block_count(system, int(c)) for c in last]).reshape(last.size, -1)
    _, distinct = np.unique(counts, axis=0, return_index=True)
    chosen = np.sort(last[distinct])
    spread = np.unique(np.linspace(0, chosen.size - 1, min(CAPACITIES, chosen.size)).round().astype(int))
    return [int(c) for c in chosen[spread]]


def _check_blocks(cluster: Cluster) -> None:
    """Raise `InfeasibleError` if all servers together host fewer blocks than the model has."""
    most = [int(np.flatnonzero(row).max(initial=0)) for row in cluster.tokens_per_s]
    if sum(most) < cluster.model_blocks:
        raise InfeasibleError(
            f"no placement: all servers together host {sum(most)} of {cluster.model_blocks} blocks beside caches; "
            "add servers"
        )
