"""Routes by weights: the walk of a job from server to server (interleaved weighted round robin), and its layout."""

import numpy as np
from numpy.typing import NDArray

from algorithms.routing.links import RoutedComposition, exits_s, hop_times_s, leading_hops, legal_links
from system import InfeasibleError, Placement, System
from system.checks import floor_with_slack, require
from system.code.compiler import compiled
from system.routing import DELAY, FlowRouting

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@compiled
def weighted_path(target, cost_s, exit_s, weights, servers, work, path):  # type: ignore[no-untyped-def]
    """Walk from the orchestrator to the last block; return the number of hops.

    The number is 0 if the walk ends before. At each node the next hop is the one with the least load after the job, the
    first of equals. Hops of infinite cost are not taken, nor those to servers without enough free slots. The arguments
    are:

    - `target`: the server at which each hop ends; `exit_s`: finite for servers that host the last block;
    - `weights`: weights and loads of the hops, and where the hops out of each node begin and end;
    - `servers`: hosted blocks, free slots and the slots that must stay free;
    - `work`: the work of the job;
    - `path`: the array that is filled with the numbers of the hops.
    """
    weight, load, begin, end = weights
    hosted, free, least_free = servers
    node, hops = exit_s.size, 0
    while True:
        best, best_load = -1, np.inf
        for n in range(begin[node], end[node]):
            j = target[n]
            if np.isfinite(cost_s[n]) and free[j] - hosted[j] >= least_free[j]:
                load_after = load[n] + work / weight[n]
                if load_after < best_load:
                    best, best_load = n, load_after
        if best < 0:
            return 0
        path[hops] = best
        hops += 1
        node = target[best]
        if np.isfinite(exit_s[node]):
            return hops


@compiled(DELAY)
def flow_weighted(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):  # type: ignore[no-untyped-def]
    """Return 0, because walks look at no delays."""
    return 0.0


def weighted_routes(system: System, placement: Placement, rule: FlowRouting) -> RoutedComposition:
    """Return the layout in which jobs walk over a placement by weights.

    All memory beside the blocks holds cache. Raises `InfeasibleError` if no path can ever take a job.
    """
    count = len(system.servers)
    shape = rule.weights.shape
    remedy = f"must have shape ({count},) or ({count + 1}, {count + 1}) for {count} servers"
    require(shape in ((count,), (count + 1, count + 1)), "weights", f"array of shape {shape}", remedy)
    slots = placement.cache_slots(system)
    links = legal_links(placement, slots, system.model.block_count)
    exit_s = exits_s(system, placement, 0.0)
    cost_s = hop_times_s(system, links, np.isfinite(exit_s))
    routes = RoutedComposition(system, placement, slots, links, cost_s, exit_s, rule)
    usable_weights(routes, rule)
    return routes


def usable_weights(routes: RoutedComposition, rule: FlowRouting) -> Floats:
    """Return (n,) the weights of the hops, 0 for unusable ones.

    A server never takes a job if its blocks exceed the high-water mark already, and no walk may end in a server that
    leads nowhere. Raises `InfeasibleError` if no path remains.
    """
    source, target, _ = routes.links
    hosted = routes.placement.block_count
    weights = np.where((least_free(routes, rule) + hosted > routes.slots)[target], 0.0, rule.weights_of(source, target))
    leading = leading_hops(source, target, weights > 0, np.isfinite(routes.exit_s))
    if not leading[source == hosted.size].any():
        raise InfeasibleError(
            f"no path: every path has a hop of weight 0, or a server whose blocks for one job exceed the share "
            f"{rule.high_water:g} of its cache slots; host fewer blocks or raise high_water"
        )
    return np.where(leading, weights, 0.0)


def least_free(routes: RoutedComposition, rule: FlowRouting) -> Ints:
    """Return (J,) the slots of each server that must stay free."""
    return routes.slots - floor_with_slack(rule.high_water * routes.slots)
