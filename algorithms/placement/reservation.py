"""Common parts of placements that reserve cache for c jobs: block counts, forming of chains, and K(c)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from system import InfeasibleError, Placement, System
from system.checks import SLACK, floor_with_slack, require, require_count
from system.code.compiler import compiled

STOP_RULES = ("max_chains", "required_rate")
LAST_SERVERS = ("whole", "truncated")


def check_stop_rule(stop_rule: str) -> None:
    """Raise `InputError` unless it is one of the two stop rules."""
    require(stop_rule in STOP_RULES, "stop_rule", stop_rule, f"choose one of {', '.join(STOP_RULES)}")


def reserving_block_count(system: System, c: int) -> NDArray[np.int64]:
    """Return (J,) m_j(c) of (6), the blocks that each server can host.

    Each block has the cache of c jobs beside it, and no server hosts more than its `most_blocks`.
    """
    require_count(reserved_capacity=c)
    model = system.model
    per_block_gb = model.block_memory_gb + model.cache_memory_gb * c
    fitting = np.minimum(floor_with_slack(system.servers.memory_gb / per_block_gb), model.block_count)
    return system.servers.capped(fitting)


@compiled(inline=True)
def blocks_beside(memory_gb: float, block_gb: float, cache_gb: float, c: float, model_blocks: int) -> int:
    """Return m_j(c) of (6) for one server, compiled; c need not be whole."""
    return int(min(np.floor(memory_gb / (block_gb + cache_gb * c) * (1 + SLACK)), model_blocks))


def visit_s(system: System, c: int) -> NDArray[np.float64]:
    """Return (J,) t_j(c), the mean time of a job that runs all m_j(c) blocks."""
    return system.communication_s + system.block_s * reserving_block_count(system, c)


def by_amortised_time(system: System, c: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the servers by amortised time per block, and these times.

    The amortised time is t_j(c) / m_j(c) of (8); ties are sorted by index. Servers that can host no block are left out.
    """
    block_count = reserving_block_count(system, c)
    usable = np.flatnonzero(block_count)
    amortised_s = visit_s(system, c)[usable] / block_count[usable]
    order = np.argsort(amortised_s, kind="stable")
    return usable[order], amortised_s[order]


def form_chains(
    system: System, c: int, order: NDArray[np.int64], stop_rule: str = "max_chains", truncated: bool = False
) -> Placement:
    """Return the placement whose chains are formed from the servers in this order.

    Chains are filled one after the other; every server in `order` must be able to host a block. `required_rate` stops
    when the chains' rate reaches λ/(ρ̄c), as in Alg. 1; `max_chains` continues as long as there are servers. The servers
    of an incomplete last chain keep their blocks, because an allocation may route through them. `truncated` forms
    chains as in the authors' simulator (`GbpCr`).
    """
    enough_rate_per_s = system.required_rate_per_s / c if stop_rule == "required_rate" else np.inf
    block_count = reserving_block_count(system, c)
    first_block, hosted, chain = np.zeros_like(block_count), np.zeros_like(block_count), np.full_like(block_count, -1)
    servers = order, block_count, system.communication_s, system.block_s
    formed = (first_block, hosted, chain)
    chains = form_in_order(*servers, system.model.block_count, enough_rate_per_s, truncated, formed)
    chain[chain == chains] = -1  # the last chain is incomplete
    return Placement(first_block, hosted, c, chain)


@compiled
def form_in_order(
    order: NDArray[np.int64],
    block_count: NDArray[np.int64],
    communication_s: NDArray[np.float64],
    block_s: NDArray[np.float64],
    model_blocks: int,
    enough_rate_per_s: float,
    truncated: bool,
    formed: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> int:
    """Run lines 3-14 of Alg. 1; return the number of complete chains.

    Blocks are counted from 0, and `a` is the next block that the current chain needs. The arrays in `formed` are filled
    with the first block, the number of hosted blocks, and the chain of each server.
    """
    first_block, hosted, chain = formed
    chains, a, chain_time_s, rate_per_s, unused = 0, 0, 0.0, 0.0, 0
    for j in order:
        unused += block_count[j]  # blocks that servers outside the chains so far can host
    for j in order:
        if truncated and a > 0 and unused < model_blocks - a:
            break
        unused -= block_count[j]
        hosted[j] = min(block_count[j], model_blocks - a) if truncated else block_count[j]
        first_block[j] = min(a, model_blocks - hosted[j])
        chain[j] = chains
        a = first_block[j] + hosted[j]
        chain_time_s += communication_s[j] + block_s[j] * hosted[j]
        if a == model_blocks:
            rate_per_s += 1 / chain_time_s
            chains, a, chain_time_s = chains + 1, 0, 0.0
            if rate_per_s >= enough_rate_per_s:
                break
    return chains


def needed_chains(system: System, placement: Placement) -> int:
    """Return K(c), the number of reserved chains needed for the rate λ/(ρ̄c).

    Raises `InfeasibleError` if all reserved chains together do not reach it.
    """
    c = placement.reserved_capacity
    rates_per_s = c * np.cumsum(1 / placement.reserved_chain_s(system))
    enough = np.flatnonzero(rates_per_s * (1 + SLACK) >= system.required_rate_per_s)
    if enough.size == 0:
        raise InfeasibleError(
            f"c = {c}: the reserved chains, {rates_per_s.size} in all, serve {rates_per_s.max(initial=0):g}/s but the "
            f"target load requires {system.required_rate_per_s:g}/s; lower the arrival rate or add servers"
        )
    return int(enough[0]) + 1


def form_best_chains(system: System, c: int, chains: Sequence[ArrayLike]) -> Placement:
    """Return the placement with these disjoint minimal chains, fastest first.

    No server of a minimal chain can be left out, so the chain is complete only with its last server. Raises
    `InfeasibleError` if `chains` is empty, which means that no chains reach the rate λ/ρ̄.
    """
    if len(chains) == 0:
        raise InfeasibleError(
            f"c = {c}: no disjoint chains of the {len(system.servers)} servers reach the "
            f"{system.required_rate_per_s:g}/s that the target load requires; lower the arrival rate or add servers"
        )
    time_s = visit_s(system, c)
    fastest_first = sorted((np.asarray(chain) for chain in chains), key=lambda chain: time_s[chain].sum())
    return form_chains(system, c, np.concatenate(fastest_first))
