"""A composition as routing over fixed paths with separate slots, which runs JFFC in the engine for routes."""

import numpy as np

from algorithms.routing.links import Links, RoutedComposition, exits_s
from system import Composition, Placement, Servers, System
from system.code.compiler import compiled
from system.routing import DELAY, Routing


@compiled(DELAY)
def only_with_room(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """Return no delay if there is room, else an infinite one."""
    return 0.0 if free >= blocks else np.inf


def fixed_paths(composition: Composition) -> RoutedComposition:
    """Return routes that behave like JFFC on the chains.

    Every hop of every chain becomes a separate server, with the slots that the chain may use there. Jobs wait in one
    central queue and take the shortest path that has room.
    """
    hop_server, blocks, start = composition.hop_server, composition.hop_blocks, composition.hop_start
    placed, slots = composition.placement, blocks * np.repeat(composition.capacity, np.diff(start))
    placement = Placement(placed.end_block[hop_server] - blocks, blocks)
    system = _hops_as_servers(composition, slots)
    nodes = np.arange(hop_server.size)
    source = np.where(np.isin(nodes, start[:-1]), nodes.size, nodes - 1)
    order = np.argsort(-placement.first_block, kind="stable")
    links = Links(source[order], nodes[order], blocks[order])
    exit_s = exits_s(system, placement, 0.0)
    cost_s = (system.communication_s + system.block_s * blocks)[order]
    return RoutedComposition(system, placement, slots, links, cost_s, exit_s, Routing(only_with_room, "central"))


def _hops_as_servers(composition: Composition, slots: np.ndarray) -> System:
    """Return a system with one server for each hop.

    The server is as fast as the hop's own server, and has memory for the hop's blocks and slots.
    """
    system, hop_server = composition.system, composition.hop_server
    model, servers = system.model, system.servers
    memory_gb = model.block_memory_gb * composition.hop_blocks + model.cache_memory_gb * slots
    hops = Servers(memory_gb, servers.communication_s[hop_server], servers.block_s[hop_server])
    return System(model, hops, system.arrival_rate_per_s, system.mean_job, system.target_load)
