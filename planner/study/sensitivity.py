"""Sensitivity of a plan: inputs that may be wrong, unused servers, and the bottleneck."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.choice.quantity import value_or_none
from planner.choice.sharing.capped import quantity_of_plan
from planner.inventory.efficiency import OFF, UNCHECKED
from planner.results import InputRange, Plan, UnusedServer
from planner.words import digits, percent, quantity_words
from system import Composition, Servers
from system.checks import require_share
from system.words import counted, shortened

Floats = NDArray[np.float64]
Factors = tuple[float, float]  # of a smaller and of a larger value
ALL_BLOCKS = "block time of all servers"
ROUNDING_S = 1e-12  # of a sum of times
ROUND_TRIPS = np.array([1.0, 0.0, 1.0])  # of a job at a server: one for the prompt, one for each further token


def ranges(plan: Plan, share: float | None = None, seed: int = 0) -> tuple[InputRange, ...]:
    """Return the goal's quantity for each input wrong by the factors 1 ± `share`.

    Without a share, block times are as wrong as nine in ten measured ones, and other inputs by 30 %. The most important
    input comes first. The layout stays the same, but the orchestrator, which sees the real times, prefers the chains
    that really are fastest.
    """
    if share is not None:
        require_share(off=share)
    quantity = quantity_of_plan(plan, seed)
    inputs = []
    for name, factors, low, high in _changed_servers(plan, share):
        low_value, high_value = (
            value_or_none(quantity, with_servers(plan.composition, changed)) for changed in (low, high)
        )
        off = max(abs(factor - 1) for factor in factors)
        inputs.append(InputRange(name, off, low_value, high_value, factors))
    return tuple(sorted(inputs, key=_spread, reverse=True))


def likely_range(plan: Plan, inputs: tuple[InputRange, ...]) -> str | None:
    """Return in a sentence how far block times may move the goal.

    It is None where the block times are not among the inputs, or where one end does not exist.
    """
    blocks = next((entry for entry in inputs if entry.name == ALL_BLOCKS), None)
    if blocks is None or blocks.low is None or blocks.high is None:
        return None
    name, unit = quantity_words(plan.inventory.goal)
    low, high = sorted((blocks.low, blocks.high))
    smaller, larger = blocks.factors
    return (
        f"with block times of {smaller:.2f} to {larger:.2f} times the planned ones, the {name} lies between "
        f"{digits(low, unit)} and {digits(high, unit)}"
    )


def with_servers(composition: Composition, servers: Servers) -> Composition:
    """Return the same layout on servers with other times, with its chains sorted again."""
    system = replace(composition.system, servers=servers)
    hops = (composition.hop_server, composition.hop_blocks, composition.hop_start)
    return Composition.of_hops(system, composition.placement, *hops, composition.capacity)


def _changed_servers(plan: Plan, share: float | None) -> Iterator[tuple[str, Factors, Servers, Servers]]:
    """Yield each input's name and factors, with the servers at both ends."""
    yield from _changed_blocks(plan, share)
    off = OFF if share is None else share
    for name, low, high in _changed_links(plan.composition.system.servers, off):
        yield name, (1 - off, 1 + off), low, high


def _changed_blocks(plan: Plan, share: float | None) -> Iterator[tuple[str, Factors, Servers, Servers]]:
    """Yield the block times of all servers, and of each kind of several."""
    servers, spread = plan.composition.system.servers, block_spread(plan, share)
    gpus = np.array([plan.inventory.gpus[j] for j in plan.members])
    used = np.unique(plan.composition.hop_server)
    kinds = sorted(set(gpus[used]))
    yield ALL_BLOCKS, _widest(spread[used]), _slower(servers, spread[:, 0]), _slower(servers, spread[:, 1])
    for kind in kinds if len(kinds) > 1 else ():
        of_kind = np.where((gpus == kind)[:, None], spread, 1.0)
        low, high = (_slower(servers, factors) for factors in of_kind.T)
        yield f"block time of {kind} servers", _widest(spread[gpus == kind]), low, high


def block_spread(plan: Plan, share: float | None = None) -> Floats:
    """Return (n, 2) the factors by which the members' block times may be wrong.

    With a share they are 1 ± share, and otherwise those that the inventory took from measured points.
    """
    spread = plan.inventory.spread
    if share is not None or spread is None:
        ends = UNCHECKED if share is None else (1 - share, 1 + share)
        return np.tile(ends, (len(plan.members), 1))
    low, high = spread[plan.members].T
    return np.column_stack([np.minimum(low, 1.0), np.maximum(high, 1.0)])


def _widest(spread: Floats) -> Factors:
    return float(spread[:, 0].min()), float(spread[:, 1].max())


def _changed_links(servers: Servers, share: float) -> Iterator[tuple[str, Servers, Servers]]:
    """Yield each part of communication with servers at its two ends."""
    if servers.orchestrator_rtt_s is None:
        costs_s = servers.communication_s
        yield "communication times", _farther(servers, -share, costs_s), _farther(servers, share, costs_s)
        return
    trips_s = servers.orchestrator_rtt_s[:, None] * ROUND_TRIPS
    if trips_s.any():
        yield "round-trip times", _farther(servers, -share, trips_s), _farther(servers, share, trips_s)
    if servers.overhead_s is None:  # nobody says what else a visit costs
        return
    if servers.overhead_s.any():
        yield "overheads of messages", _costlier(servers, -share), _costlier(servers, share)
    bytes_s = servers.communication_s - trips_s - servers.overhead_s
    if servers.activation_s is not None or (bytes_s > ROUNDING_S).any():
        yield "bandwidth of links", _wider(servers, -share, bytes_s), _wider(servers, share, bytes_s)


def _farther(servers: Servers, by: float, links_s: Floats) -> Servers:
    """Return the servers with all round trips longer by a share."""
    rtt_s = None if servers.rtt_s is None else servers.rtt_s * (1 + by)
    return replace(servers, communication_s=np.maximum(servers.communication_s + by * links_s, 0), rtt_s=rtt_s)


def _costlier(servers: Servers, by: float) -> Servers:
    """Return the servers with all overheads of messages larger by a share."""
    overhead_s = np.zeros((len(servers), 3)) if servers.overhead_s is None else servers.overhead_s
    return replace(servers, communication_s=servers.communication_s + by * overhead_s, overhead_s=(1 + by) * overhead_s)


def _wider(servers: Servers, by: float, bytes_s: Floats) -> Servers:
    """Return the servers with all bandwidths larger by a share.

    `bytes_s` is (J, 3): the coefficients of what bytes take of a visit.
    """
    activation_s = None if servers.activation_s is None else servers.activation_s / (1 + by)
    change_s = bytes_s / (1 + by) - bytes_s
    communication_s = np.maximum(servers.communication_s + change_s, 0)
    return replace(servers, communication_s=communication_s, activation_s=activation_s)


def _slower(servers: Servers, factors: Floats) -> Servers:
    return replace(servers, block_s=servers.block_s * factors[:, None])


def _spread(values: InputRange) -> float:
    """Return how far the quantity moves; infinity if one end does not exist."""
    return np.inf if values.low is None or values.high is None else abs(values.high - values.low)


def unused(plan: Plan) -> tuple[UnusedServer, ...]:
    """Return the inventory's servers that are on no chain, with the reasons."""
    member_of = {int(j): n for n, j in enumerate(plan.members)}
    on_chains = set(np.unique(plan.composition.hop_server).tolist())
    idle = [j for j in range(len(plan.inventory.servers)) if member_of.get(j) not in on_chains]
    return tuple(UnusedServer(j, _reason_unused(plan, j, member_of.get(j))) for j in idle)


def _reason_unused(plan: Plan, j: int, member: int | None) -> str:
    """Return a reason that reads well for one server and for several."""
    model, memory_gb = plan.inventory.model, float(plan.inventory.servers.memory_gb[j])
    composition, c = plan.composition, plan.composition.placement.reserved_capacity
    with_cache_gb = model.block_memory_gb + model.cache_memory_gb
    if memory_gb < with_cache_gb:
        return f"too small: {memory_gb:.3g} GB, but one block and one request's cache need {with_cache_gb:.3g} GB"
    if member is None or plan.inventory.users is not None:
        of_users = "not needed: the chains of the other servers are faster for these users"
        return of_users if member is not None else "not worth the cost: the other servers meet the goal for less"
    hosts = composition.placement.block_count[member] > 0
    if not plan.candidates:
        return "on no chain: the servers before and after are full" if hosts else "no blocks in this layout"
    if plan.is_searched:
        return "left over: no chain through it would be fast enough at this rate"
    if hosts:
        return "left over after the chains were formed: no further chain could be completed"
    needed_gb = model.block_memory_gb + c * model.cache_memory_gb
    return (
        f"too small for this plan: {memory_gb:.3g} GB, but one block and the cache of {counted(c, 'request')} need "
        f"{needed_gb:.3g} GB"
    )


def bottleneck(plan: Plan) -> str:
    """Return where a request spends its time and which cache fills up first.

    This is one sentence. The request is one on the fastest chain.
    """
    composition, prediction = plan.composition, plan.prediction
    links_s = links_per_chain_s(composition)[0]
    service_s, waiting_s = composition.mean_service_s[0], prediction.waiting_mean_s
    if plan.inventory.users is not None:
        share = percent(links_s / service_s)
        return f"a request on the fastest chain alone spends {share} of its time on communication; {_full_first(plan)}"
    parts = np.array([service_s - links_s, links_s, waiting_s]) / (service_s + waiting_s)
    computing, links, waiting = (f"{part:.0%}" for part in parts)
    alone = "" if plan.inventory.service.is_independent else ", if no other request slows it,"
    return (
        f"a request on the fastest chain{alone} spends {computing} of its time on computation, {links} on "
        f"communication and {waiting} waiting ({prediction.waiting_probability:.1%} of all requests wait); "
        f"as the load grows, {_full_first(plan)}"
    )


def links_per_chain_s(composition: Composition) -> Floats:
    """Return (K,) mean communication times of a job on each chain."""
    system, begin = composition.system, composition.hop_start[:-1]
    if system.forwarding == "hub":
        return np.add.reduceat(system.communication_s[composition.hop_server], begin)
    computing_s = np.add.reduceat(composition.hop_charged * system.block_s[composition.hop_server], begin)
    return composition.mean_service_s - computing_s


def _full_first(plan: Plan) -> str:
    """Return which kind of server limits the chains with the largest capacity in total.

    A server limits a chain if its cache has no room for another job on that chain.
    """
    composition = plan.composition
    left = composition.placement.cache_slots(composition.system) - composition.slots_used()
    full = left[composition.hop_server] < composition.hop_blocks
    gpus = np.array([plan.inventory.gpus[plan.members[j]] for j in composition.hop_server])
    limited = {kind: _chains_of(composition, full & (gpus == kind)) for kind in sorted(set(gpus[full]))}
    if not limited:
        return "the chains reach their capacities before any server's cache is full"
    kind = max(limited, key=lambda kind: int(composition.capacity[limited[kind]].sum()))
    servers = np.unique(composition.hop_server[full & (gpus == kind)])
    return (
        f"the cache of {_names(composition, servers)} ({kind}) fills up first: it limits "
        f"{_limited_capacity(composition, limited[kind])}"
    )


def _limited_capacity(composition: Composition, chains: NDArray[np.int64]) -> str:
    total = composition.total_capacity
    if len(composition) == 1:
        return f"the capacity of the only chain ({counted(total, 'request')} at once)"
    return (
        f"the capacity of {chains.size} of {len(composition)} chains ({composition.capacity[chains].sum()} of {total} "
        "requests at once)"
    )


def _chains_of(composition: Composition, hops: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the chains of the selected hops."""
    return np.unique(np.repeat(np.arange(len(composition)), np.diff(composition.hop_start))[hops])


def _names(composition: Composition, servers: NDArray[np.int64]) -> str:
    """Return up to three names, and how many more there are."""
    return shortened(list(map(composition.system.servers.name, servers.tolist())), 3)
