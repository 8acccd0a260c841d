"""The graph in which jobs are routed.

Its links are the legal hops from the orchestrator or a server to a server (paper Sec. 2.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from system import InfeasibleError, NotApplicableError, Placement, System
from system.checks import require
from system.routing import FlowRouting, Routing

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Links(NamedTuple):
    """n hops from `source` (J is the orchestrator) to server `target`, which runs `blocks` blocks.

    Links are sorted so that one pass finds shortest paths: sources with more blocks done come first, and the targets of
    a source are in the order of the servers.
    """

    source: Ints  # (n,)
    target: Ints  # (n,)
    blocks: Ints  # (n,), m_ij


def legal_links(placement: Placement, slots: Ints, model_blocks: int) -> Links:
    """Return the links that are part of a path through all blocks.

    Server j may be next if it hosts the next block. It then runs all its blocks from there on, and needs as many slots.
    Raises `InfeasibleError` if no path runs all blocks.
    """
    done = np.append(placement.end_block * (placement.block_count > 0), 0)  # blocks done after each node
    blocks = placement.end_block[None, :] - done[:, None]
    legal = (placement.first_block[None, :] <= done[:, None]) & (blocks > 0) & (blocks <= slots[None, :])
    legal[:-1] &= (placement.block_count > 0)[:, None]
    legal &= _reached(legal, done)[:, None]
    legal &= _leads_to_end(legal, done, model_blocks)[None, :-1]
    if not legal[-1].any():
        raise InfeasibleError(
            "no path: no sequence of servers runs every block within its cache slots; add servers or reserve less cache"
        )
    source, target = np.nonzero(legal)
    order = np.argsort(-done[source], kind="stable")
    source, target = source[order], target[order]
    return Links(source, target, blocks[source, target])


def exits_s(system: System, placement: Placement, cost_s: float | Floats) -> Floats:
    """Return (J,) the cost of ending a path at each server.

    It is `cost_s` if the server hosts the last block, and infinite otherwise.
    """
    return np.where(placement.end_block == system.model.block_count, cost_s, np.inf)


def hop_coefficients_s(system: System, links: Links, is_exit: NDArray[np.bool_]) -> Floats:
    """Return (n, 3) the coefficients of a job's time on each hop.

    `is_exit` (J,) says whether paths end at a server.
    """
    source, target, blocks = links
    servers = system.servers
    if system.forwarding == "hub":
        return servers.visit_coefficients_s(target, blocks)
    hops_s = blocks[:, None] * servers.block_s[target]
    half_s = servers.communication_s[target] / 2
    inner = source < len(servers)
    hops_s[inner] += servers.crossing_coefficients_s(source[inner], target[inner])
    hops_s[~inner] += half_s[~inner]
    hops_s[is_exit[target]] += half_s[is_exit[target]]
    return hops_s


def hop_times_s(system: System, links: Links, is_exit: NDArray[np.bool_]) -> Floats:
    """Return (n,) the mean job's time on each hop; arguments as in `hop_coefficients_s`."""
    if system.forwarding == "hub":
        return system.communication_s[links.target] + system.block_s[links.target] * links.blocks
    return hop_coefficients_s(system, links, is_exit) @ np.asarray(system.mean_job)


def leading_hops(
    source: Ints, target: Ints, usable: NDArray[np.bool_], is_exit: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return (n,) which usable hops lead to the last block.

    `is_exit` (J,) says whether paths end at a server. Hops are in the order of `Links`, so one pass suffices.
    """
    leads = np.append(is_exit, False)
    leading = np.zeros(source.size, dtype=np.bool_)
    for n in range(source.size):
        leading[n] = usable[n] and leads[target[n]]
        leads[source[n]] |= leading[n]
    return leading


def _reached(legal: NDArray[np.bool_], done: Ints) -> NDArray[np.bool_]:
    """Return (J + 1,) whether a path from the orchestrator reaches each node.

    The orchestrator is the last node. One pass suffices, because the number of blocks done grows with every hop.
    """
    reached = np.zeros(done.size, dtype=np.bool_)
    reached[-1] = True
    for node in np.argsort(done, kind="stable"):
        if reached[node]:
            reached[:-1] |= legal[node]
    return reached


def _leads_to_end(legal: NDArray[np.bool_], done: Ints, model_blocks: int) -> NDArray[np.bool_]:
    """Return (J + 1,) whether each node has a path to the last block."""
    leads = done == model_blocks
    for node in np.argsort(-done, kind="stable"):
        leads[node] |= bool((legal[node] & leads[:-1]).any())
    return leads


@dataclass(frozen=True)
class RoutedComposition:
    """The layout of a routed scheme: a placement, cache slots, the graph with its costs, and the routing rule.

    The cost of a path is the sum of the costs of its hops, the delays that the state of the servers adds, and `exit_s`
    of its last server. Costs are the scheme's own estimates; a job's actual time on a path is that of the system model.
    """

    system: System
    placement: Placement
    slots: Ints  # (J,), N_j
    links: Links
    cost_s: Floats  # (n,)
    exit_s: Floats  # (J,), infinite where a server does not host the last block
    rule: Routing | FlowRouting

    def __post_init__(self) -> None:
        self.placement.check(self.system)
        room = self.placement.cache_slots(self.system)
        over = np.flatnonzero(self.slots > room)
        if over.size:
            j = int(over[0])
            raise InfeasibleError(
                f"slots of {self.system.servers.name(j)} = {self.slots[j]}: its memory holds only {room[j]} cache "
                f"slot{'s' * (int(room[j]) != 1)}; host fewer blocks"
            )
        count = self.links.source.size
        require(self.cost_s.shape == (count,), "cost_s", f"array of shape {self.cost_s.shape}", f"give {count} costs")

    @cached_property
    def job_coefficients_s(self) -> Floats:
        """Return (n, 3) the coefficients of a job's time on each hop.

        They multiply x = (1, input tokens, output tokens - 1). With direct hops, the hop to the last server of a path
        includes the way back to the orchestrator, because every job that gets there ends there.
        """
        return hop_coefficients_s(self.system, self.links, np.isfinite(self.exit_s))

    @cached_property
    def mean_service_s(self) -> Floats:
        """Return (n,) a job's mean time on each hop, τc_j + τp_j m_ij."""
        return self.job_coefficients_s @ np.asarray(self.system.mean_job)

    def least_service_s(self, x: Floats) -> Floats:
        """Return (n,) the least service time (2) of each job on any path.

        The jobs have size 1, and `x` (n, 3) has a row (1, input tokens, output tokens - 1) for each. In their order,
        one pass over the links suffices.
        """
        rest_s = np.full((len(self.system.servers) + 1, len(x)), np.inf)  # from each node to the end of a path
        rest_s[:-1][np.isfinite(self.exit_s)] = 0.0
        hops = zip(self.links.source, self.links.target, self.job_coefficients_s, strict=True)
        for source, target, coefficients_s in hops:
            np.minimum(rest_s[source], rest_s[target] + x @ coefficients_s, out=rest_s[source])
        return rest_s[-1]

    @property
    def load(self) -> float:
        """Return NaN: without chains, the total service rate is unknown."""
        return float("nan")

    @property
    def sizes(self) -> Mapping[str, float]:
        """Return the numbers of links and of cache slots."""
        return {"link_count": self.links.source.size, "slot_count": int(self.slots.sum())}

    def at_rate(self, rate_per_s: float) -> Self:
        """Return the same routes at another arrival rate."""
        return replace(self, system=replace(self.system, arrival_rate_per_s=rate_per_s))

    def check_stable(self) -> None:
        """Accept any rate: only a run shows whether the routes can serve it."""

    def composition(self) -> NoReturn:
        """Raise `NotApplicableError`: there are no chains."""
        raise NotApplicableError(
            "algorithm: this scheme routes each job over the servers and has no chains with capacities; "
            "use evaluator=simulation"
        )

    def slots_used(self) -> Ints:
        """Return (J,) the cache slots that jobs may take on each server at once."""
        return self.slots

    @cached_property
    def most_hops(self) -> int:
        """Return the number of hops of the longest path."""
        hops = np.zeros(len(self.system.servers) + 1, np.int64)
        for source, target in zip(self.links.source.tolist(), self.links.target.tolist(), strict=True):
            hops[source] = max(hops[source], 1 + hops[target])
        return int(hops[-1])
