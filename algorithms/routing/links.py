"""The graph in which jobs are routed: every legal hop from the orchestrator or a server on to a server (Sec. 2.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from system import InfeasibleError, NotApplicableError, Placement, System
from system.checks import require
from system.routing import Routing

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Links(NamedTuple):
    """n hops: from `source` (J is the orchestrator) to server `target`, which runs `blocks` blocks.

    They are sorted so that one pass finds shortest paths: sources with more blocks done come first, each source's
    targets in the order of the servers.
    """

    source: Ints  # (n,)
    target: Ints  # (n,)
    blocks: Ints  # (n,), m_ij


def legal_links(placement: Placement, slots: Ints, model_blocks: int) -> Links:
    """Server j may follow where it hosts the next block; it then runs all its blocks from there, if it has the slots.

    Only hops that can be reached are kept. Raises `InfeasibleError` if no path runs all blocks.
    """
    done = np.append(placement.end_block * (placement.block_count > 0), 0)  # blocks done after each node
    blocks = placement.end_block[None, :] - done[:, None]
    legal = (placement.first_block[None, :] <= done[:, None]) & (blocks > 0) & (blocks <= slots[None, :])
    legal[:-1] &= (placement.block_count > 0)[:, None]
    legal &= _reached(legal, done)[:, None]
    legal &= _leads_to_end(legal, done, model_blocks)[None, :-1]
    if not legal[-1].any():
        raise InfeasibleError(
            "no path: no row of servers runs every block within its cache slots; add servers or reserve less cache"
        )
    source, target = np.nonzero(legal)
    order = np.argsort(-done[source], kind="stable")
    source, target = source[order], target[order]
    return Links(source, target, blocks[source, target])


def exits_s(system: System, placement: Placement, cost_s: float | Floats) -> Floats:
    """(J,) what ending at each server costs: `cost_s` where it hosts the last block, infinite elsewhere."""
    return np.where(placement.end_block == system.model.block_count, cost_s, np.inf)


def _reached(legal: NDArray[np.bool_], done: Ints) -> NDArray[np.bool_]:
    """(J + 1,) nodes that a path from the orchestrator, the last node, reaches: hops always do more blocks."""
    reached = np.zeros(done.size, dtype=np.bool_)
    reached[-1] = True
    for node in np.argsort(done, kind="stable"):
        if reached[node]:
            reached[:-1] |= legal[node]
    return reached


def _leads_to_end(legal: NDArray[np.bool_], done: Ints, model_blocks: int) -> NDArray[np.bool_]:
    """(J + 1,) nodes from which the last block can be reached."""
    leads = done == model_blocks
    for node in np.argsort(-done, kind="stable"):
        leads[node] |= bool((legal[node] & leads[:-1]).any())
    return leads


@dataclass(frozen=True)
class RoutedComposition:
    """What a routed scheme makes of a system: a placement, slots, the graph with its costs, and the routing rule.

    A path costs what its hops cost, what the state adds to them, and `exit_s` of its last server. The costs are the
    scheme's own view; a job's time on a path is always that of the system model.
    """

    system: System
    placement: Placement
    slots: Ints  # (J,), N_j
    links: Links
    cost_s: Floats  # (n,)
    exit_s: Floats  # (J,), infinite where a server does not host the last block
    rule: Routing

    def __post_init__(self) -> None:
        self.placement.check(self.system)
        room = self.placement.cache_slots(self.system)
        over = np.flatnonzero(self.slots > room)
        if over.size:
            j = int(over[0])
            raise InfeasibleError(
                f"{self.system.servers.name(j)} has memory for {room[j]} cache slots but {self.slots[j]} are promised: "
                "host fewer blocks"
            )
        count = self.links.source.size
        require(self.cost_s.shape == (count,), "cost_s", f"array of shape {self.cost_s.shape}", f"give {count} costs")

    @cached_property
    def job_coefficients_s(self) -> Floats:
        """(n, 3) time of a job on each hop as coefficients of x = (1, input tokens, output tokens - 1)."""
        return self.system.servers.visit_coefficients_s(self.links.target, self.links.blocks)

    @cached_property
    def mean_service_s(self) -> Floats:
        """(n,) mean time of a job on each hop, τc_j + τp_j m_ij."""
        return self.job_coefficients_s @ np.asarray(self.system.mean_job)

    @property
    def load(self) -> float:
        """Not known: the largest rate is that of no chains."""
        return float("nan")

    @property
    def sizes(self) -> Mapping[str, float]:
        """Numbers of links and of slots."""
        return {"link_count": self.links.source.size, "slot_count": int(self.slots.sum())}

    def at_rate(self, rate_per_s: float) -> Self:
        """Return the same routes at another arrival rate."""
        return replace(self, system=replace(self.system, arrival_rate_per_s=rate_per_s))

    def check_stable(self) -> None:
        """Raise nothing: only a run shows whether routes carry the rate."""

    def composition(self) -> NoReturn:
        """Raise `NotApplicableError`: there are no chains."""
        raise NotApplicableError(
            "algorithm: this one routes each job over the servers and has no chains with capacities; "
            "use evaluator=simulation"
        )

    def slots_used(self) -> Ints:
        """(J,) cache slots taken when every one that is promised is."""
        return self.slots

    @cached_property
    def most_hops(self) -> int:
        """Hops of the longest path."""
        hops = np.zeros(len(self.system.servers) + 1, np.int64)
        for source, target in zip(self.links.source.tolist(), self.links.target.tolist(), strict=True):
            hops[source] = max(hops[source], 1 + hops[target])
        return int(hops[-1])
