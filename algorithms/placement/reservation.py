"""What placements that reserve cache for c jobs share: blocks a server, chains formed in an order, and K(c)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system import InfeasibleError, Placement, System
from system.checks import SLACK, floor_with_slack, require, require_count
from system.code.compiler import compiled

STOP_RULES = ("max_chains", "required_rate")


def check_stop_rule(stop_rule: str) -> None:
    """Raise unless it is one of the two rules there are."""
    require(stop_rule in STOP_RULES, "stop_rule", stop_rule, f"choose one of {', '.join(STOP_RULES)}")


def reserving_block_count(system: System, c: int) -> NDArray[np.int64]:
    """(J,) m_j(c) of (6): the blocks that server j can host beside the cache of c jobs for each of them."""
    require_count(reserved_capacity=c)
    model = system.model
    per_block_gb = model.block_memory_gb + model.cache_memory_gb * c
    return np.minimum(floor_with_slack(system.servers.memory_gb / per_block_gb), model.block_count)


def visit_s(system: System, c: int) -> NDArray[np.float64]:
    """(J,) t_j(c): the mean time of a job that runs all m_j(c) blocks on server j."""
    return system.communication_s + system.block_s * reserving_block_count(system, c)


def by_amortised_time(system: System, c: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The servers that can host a block, least t_j(c) / m_j(c) (8) first, ties by index; and these times per block."""
    block_count = reserving_block_count(system, c)
    usable = np.flatnonzero(block_count)
    amortised_s = visit_s(system, c)[usable] / block_count[usable]
    order = np.argsort(amortised_s, kind="stable")
    return usable[order], amortised_s[order]


def form_chains(system: System, c: int, order: NDArray[np.int64], stop_rule: str = "max_chains") -> Placement:
    """Chains filled one after the other with the servers in this order, which must all be able to host a block.

    `required_rate` stops, as Alg. 1 is printed, once the chains' rate reaches λ/(ρ̄c); `max_chains` goes on while
    servers last. Servers of an incomplete last chain keep their blocks: an allocation may route through them.
    """
    enough = system.required_rate_per_s / c if stop_rule == "required_rate" else np.inf
    block_count = reserving_block_count(system, c)
    first_block, hosted, chain = np.zeros_like(block_count), np.zeros_like(block_count), np.full_like(block_count, -1)
    formed = (first_block, hosted, chain)
    chains = _form_chains(order, block_count, visit_s(system, c), system.model.block_count, enough, formed)
    chain[chain == chains] = -1  # the incomplete last one
    return Placement(first_block, hosted, c, chain)


@compiled
def _form_chains(
    order: NDArray[np.int64],
    block_count: NDArray[np.int64],
    time_s: NDArray[np.float64],
    model_blocks: int,
    enough_rate_per_s: float,
    formed: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> int:
    """Run lines 3-14 of Alg. 1, blocks counted from 0: `a` is the next block that the current chain needs.

    Fills first block, hosted blocks and chain of each server; returns the number of complete chains.
    """
    first_block, hosted, chain = formed
    chains, a, chain_time_s, rate_per_s = 0, 0, 0.0, 0.0
    for j in order:
        first_block[j] = min(a, model_blocks - block_count[j])
        hosted[j] = block_count[j]
        chain[j] = chains
        a = min(a + block_count[j], model_blocks)
        chain_time_s += time_s[j]
        if a == model_blocks:
            rate_per_s += 1 / chain_time_s
            chains, a, chain_time_s = chains + 1, 0, 0.0
            if rate_per_s >= enough_rate_per_s:
                break
    return chains


def needed_chains(system: System, placement: Placement) -> int:
    """K(c): the first so many reserved chains reach the rate λ/(ρ̄c); raises `InfeasibleError` if all do not."""
    c = placement.reserved_capacity
    rates_per_s = c * np.cumsum(1 / placement.reserved_chain_s(system))
    enough = np.flatnonzero(rates_per_s * (1 + SLACK) >= system.required_rate_per_s)
    if enough.size == 0:
        raise InfeasibleError(
            f"c = {c}: the {rates_per_s.size} reserved chains serve {rates_per_s.max(initial=0):g}/s but the target "
            f"load requires {system.required_rate_per_s:g}/s; lower the arrival rate or add servers"
        )
    return int(enough[0]) + 1


def form_best_chains(system: System, c: int, chains: Sequence[ArrayLike]) -> Placement:
    """These disjoint minimal chains, fastest first: no server of one can be left out, so it is complete with its last.

    Raises `InfeasibleError` if there are none, as they are the answer to what reaches the rate λ/ρ̄.
    """
    if len(chains) == 0:
        raise InfeasibleError(
            f"c = {c}: no disjoint chains of the {len(system.servers)} servers reach the "
            f"{system.required_rate_per_s:g}/s that the target load requires; lower the arrival rate or add servers"
        )
    time_s = visit_s(system, c)
    fastest_first = sorted((np.asarray(chain) for chain in chains), key=lambda chain: time_s[chain].sum())
    return form_chains(system, c, np.concatenate(fastest_first))
