"""What a plan rests on: inputs that may be off, the value of each server, those left unused, and the bottleneck."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.choice.quantity import quantity_of, value_or_none
from planner.results import InputRange, Plan, UnusedServer
from system import Composition, Servers
from system.checks import require_share

Floats = NDArray[np.float64]
EACH_VISIT_AND_TOKEN = np.array([1.0, 0.0, 1.0])  # round trips of a job: one for the prompt, one for each further token


def ranges(plan: Plan, share: float = 0.3, seed: int = 0) -> tuple[InputRange, ...]:
    """The goal's quantity with each input off by the factor 1 - share and 1 + share, the most important input first.

    The layout stays; the orchestrator, which sees the real times, prefers the chains that really are fastest.
    """
    require_share(off=share)
    quantity = quantity_of(plan.inventory, seed)
    found = []
    for name, low, high in _changed_servers(plan, share):
        low_value, high_value = (
            value_or_none(quantity, with_servers(plan.composition, changed)) for changed in (low, high)
        )
        found.append(InputRange(name, share, low_value, high_value))
    return tuple(sorted(found, key=_spread, reverse=True))


def with_servers(composition: Composition, servers: Servers) -> Composition:
    """The same layout on servers with other times, its chains sorted anew."""
    system = replace(composition.system, servers=servers)
    hops = (composition.hop_server, composition.hop_blocks, composition.hop_start)
    return Composition.of_hops(system, composition.placement, *hops, composition.capacity)


def _changed_servers(plan: Plan, share: float) -> Iterator[tuple[str, Servers, Servers]]:
    """Each input's name, and the servers with it too small and too large by the share."""
    servers = plan.composition.system.servers
    everything = np.ones(len(servers))
    yield "block time of all servers", _slower(servers, -share * everything), _slower(servers, share * everything)
    if servers.orchestrator_rtt_s is None:
        name, links_s = "communication times", servers.communication_s
    else:
        name, links_s = "round-trip times", servers.orchestrator_rtt_s[:, None] * EACH_VISIT_AND_TOKEN
    yield (
        name,
        replace(servers, communication_s=np.maximum(servers.communication_s - share * links_s, 0)),
        replace(servers, communication_s=servers.communication_s + share * links_s),
    )
    gpus = np.array([plan.inventory.gpus[j] for j in plan.members])
    kinds = sorted(set(gpus[np.unique(plan.composition.hop_server)]))
    for kind in kinds if len(kinds) > 1 else ():
        of_kind = share * (gpus == kind)
        yield f"block time of {kind} servers", _slower(servers, -of_kind), _slower(servers, of_kind)


def _slower(servers: Servers, by: Floats) -> Servers:
    return replace(servers, block_s=servers.block_s * (1 + by)[:, None])


def _spread(found: InputRange) -> float:
    """How far the quantity moves; infinitely if the plan then does not hold at all."""
    return np.inf if found.low is None or found.high is None else abs(found.high - found.low)


def unused(plan: Plan) -> tuple[UnusedServer, ...]:
    """The servers of the inventory that no chain runs on, each with the reason."""
    place = {int(j): n for n, j in enumerate(plan.members)}
    at_work = set(np.unique(plan.composition.hop_server).tolist())
    idle = [j for j in range(len(plan.inventory.servers)) if place.get(j) not in at_work]
    return tuple(UnusedServer(j, _why_unused(plan, j, place.get(j))) for j in idle)


def _why_unused(plan: Plan, j: int, member: int | None) -> str:
    model, memory_gb = plan.inventory.model, float(plan.inventory.servers.memory_gb[j])
    composition, c = plan.composition, plan.composition.placement.reserved_capacity
    with_cache_gb = model.block_memory_gb + model.cache_memory_gb
    if memory_gb < with_cache_gb:
        return f"too small: {memory_gb:.3g} GB, one block and one request's cache need {with_cache_gb:.3g} GB"
    if member is None:
        return "not worth its cost: the others meet the goal for less"
    hosts = composition.placement.block_count[member] > 0
    if not plan.candidates:
        return "no chain goes through it: the servers before and after it are full" if hosts else "it has no blocks"
    if hosts:
        return "left over when the chains were formed: no further chain can be completed with it"
    needed_gb = model.block_memory_gb + c * model.cache_memory_gb
    return f"too small here: {memory_gb:.3g} GB, one block and the cache of c = {c} requests need {needed_gb:.3g} GB"


def bottleneck(plan: Plan) -> str:
    """What a request's time with the fastest chain goes into, and whose cache is full first if the load grows."""
    composition, prediction = plan.composition, plan.prediction
    links_s = links_per_chain_s(composition)[0]
    service_s, waiting_s = composition.mean_service_s[0], prediction.waiting_mean_s
    parts = np.array([service_s - links_s, links_s, waiting_s]) / (service_s + waiting_s)
    computing, links, waiting = (f"{part:.0%}" for part in parts)
    alone = "" if plan.inventory.service.is_independent else ", if no other slows it,"
    return (
        f"of a request's time with the fastest chain{alone} {computing} is computation, {links} links and {waiting} "
        f"waiting ({prediction.waiting_probability:.1%} of the requests wait); if the load grows, {_full_first(plan)}"
    )


def links_per_chain_s(composition: Composition) -> Floats:
    """(K,) mean communication time of a job on each chain."""
    return np.add.reduceat(composition.system.communication_s[composition.hop_server], composition.hop_start[:-1])


def _full_first(plan: Plan) -> str:
    """The kind of server without room for another job on the chains that it is on, by the places that it limits."""
    composition = plan.composition
    left = composition.placement.cache_slots(composition.system) - composition.slots_used()
    full = left[composition.hop_server] < composition.hop_blocks
    gpus = np.array([plan.inventory.gpus[plan.members[j]] for j in composition.hop_server])
    limited = {kind: _chains_of(composition, full & (gpus == kind)) for kind in sorted(set(gpus[full]))}
    if not limited:
        return "no server's cache is full before the places of the chains are taken"
    kind = max(limited, key=lambda kind: int(composition.capacity[limited[kind]].sum()))
    servers = np.unique(composition.hop_server[full & (gpus == kind)])
    return (
        f"the cache of {_named(composition, servers)} ({kind}) is full first: it limits {limited[kind].size} of "
        f"{len(composition)} chains with {composition.capacity[limited[kind]].sum()} of {composition.slot_count} places"
    )


def _chains_of(composition: Composition, hops: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The chains that these hops belong to."""
    return np.unique(np.repeat(np.arange(len(composition)), np.diff(composition.hop_start))[hops])


def _named(composition: Composition, servers: NDArray[np.int64]) -> str:
    """Up to three names, and how many more."""
    names = ", ".join(composition.system.servers.name(j) for j in servers[:3].tolist())
    return names + (f" and {servers.size - 3} more" if servers.size > 3 else "")
