"""The graph of hops and the shortest path in it, compared with networkx."""

import re
from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.placement.gbp_cr import GbpCr
from algorithms.routing.links import RoutedComposition, legal_links
from algorithms.routing.petals import no_cache_penalty
from algorithms.routing.shortest_path import shortest_path
from system import InfeasibleError, InputError, Placement, Servers, System
from system.routing import Routing
from tests.support.oracles.fixed_paths import fixed_paths, only_with_room
from tests.support.oracles.instances import random_placement, random_system, served_model
from tests.support.oracles.routed_simulation import paths


def random_graph(rng: np.random.Generator) -> tuple[System, Placement, np.ndarray]:
    system = random_system(rng, server_count=int(rng.integers(2, 12)), largest_model=8)
    placement = random_placement(rng, system)
    return system, placement, rng.integers(0, 2 * system.model.block_count, len(system.servers))


def test_links_are_the_hops_of_all_paths_sorted_for_one_pass():
    rng = np.random.default_rng(341)
    link_count = refused = 0
    for _ in range(300):
        system, placement, slots = random_graph(rng)
        client, model_blocks = len(system.servers), system.model.block_count
        expected = {hop for path in paths(placement, slots.tolist(), model_blocks) for hop in path}
        if not expected:
            with pytest.raises(InfeasibleError, match=r"^no path: no sequence of servers runs every block"):
                legal_links(placement, slots, model_blocks)
            refused += 1
            continue
        links = legal_links(placement, slots, model_blocks)
        hops = list(zip(*(column.tolist() for column in links), strict=True))
        assert len(hops) == len(set(hops))
        assert set(hops) == {(client if source is None else source, j, m) for source, j, m in expected}
        done = np.append(placement.end_block, 0)
        keys = [(-done[source], source, target) for source, target, _ in hops]
        assert [key[0] for key in keys] == sorted(key[0] for key in keys)
        assert all(a < b for a, b in pairwise(keys) if a[:2] == b[:2])  # targets ascend
        link_count += len(hops)
    assert link_count > 1000
    assert refused > 50


def state_of(free: np.ndarray, hosted: np.ndarray) -> tuple:
    """Return the state that PETALS' delay reads, and empty lists of jobs."""
    no_jobs = np.zeros(free.size, np.int64)
    return (hosted, free, free, no_jobs), (0.0, np.empty(free.size), np.empty(free.size, np.int64))


def pads_for(servers: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scratch arrays that contain arbitrary values."""
    return np.full(servers + 1, -1.0), np.full(servers + 1, 10**6)


def test_the_path_is_the_shortest_with_the_current_delays():
    rng = np.random.default_rng(342)
    checked = detours = 0
    for _ in range(300):
        system, placement, slots = random_graph(rng)
        try:
            links = legal_links(placement, slots, system.model.block_count)
        except InfeasibleError:
            continue
        servers = len(system.servers)
        cost_s, hosted = rng.uniform(0.1, 1, links.source.size), placement.block_count
        ends = placement.end_block == system.model.block_count
        exit_s = np.where(ends, rng.uniform(0, 1, servers), np.inf)
        free = np.where(rng.random(servers) < 0.5, hosted, hosted - 1)
        graph = nx.DiGraph()
        for (source, target, _), cost in zip(zip(*links, strict=True), cost_s, strict=True):
            graph.add_edge(source, target, s=cost + 0.7 * (free[target] < hosted[target]))
        graph.add_edges_from((int(j), "end", {"s": exit_s[j]}) for j in np.flatnonzero(ends & (hosted > 0)))
        expected = nx.shortest_path(graph, servers, "end", weight="s")
        path = np.empty(servers, np.int64)
        graph_of_links, rest = (tuple(links), cost_s, exit_s), (np.array([0.7]), pads_for(servers), path)
        count = shortest_path(no_cache_penalty, *graph_of_links, *state_of(free, hosted), *rest)
        assert links.source[path[:count]].tolist() == expected[:-2]
        assert links.target[path[:count]].tolist() == expected[1:-1]
        count = shortest_path(no_cache_penalty, *graph_of_links, *state_of(hosted, hosted), *rest)
        detours += links.target[path[:count]].tolist() != expected[1:-1]
        checked += 1
    assert checked > 100
    assert detours > 10  # the delays matter


def test_equal_paths_go_to_the_first_server_and_infinite_delays_give_no_path():
    links = legal_links(Placement([0, 0, 0], [4, 4, 4]), np.array([4, 4, 4]), 4)
    path, cost_s, exit_s = np.empty(3, np.int64), np.ones(3), np.zeros(3)
    for free, hops, first in ((np.array([3, 4, 4]), 1, 1), (np.array([3, 3, 3]), 0, None)):
        state, lists = state_of(free, np.array([4, 4, 4]))
        args = (tuple(links), cost_s, exit_s, state, lists, np.empty(0), pads_for(3), path)
        assert shortest_path(only_with_room, *args) == hops
        assert hops == 0 or links.target[path[0]] == first


def whole_models(slots: list[int]) -> tuple[System, Placement, np.ndarray]:
    servers = Servers(np.array([4.5, 4.5]), [1.0, 2.0], [0.1, 0.1])
    return System(served_model(4), servers, 0.1), Placement([0, 0], [4, 4]), np.array(slots)


def composed(slots: list[int], cost_s: np.ndarray) -> RoutedComposition:
    system, placement, counts = whole_models(slots)
    links = legal_links(placement, counts, 4)
    return RoutedComposition(system, placement, counts, links, cost_s, np.zeros(2), Routing(no_cache_penalty))


def test_more_slots_than_the_memory_of_a_server_holds_are_refused():
    assert composed([5, 4], np.ones(2)).slots.tolist() == [5, 4]
    message = r"^slots of server 1 = 6: its memory holds only 5 cache slots; host fewer blocks"
    with pytest.raises(InfeasibleError, match=message):
        composed([5, 6], np.ones(2))


def test_every_hop_needs_a_cost():
    with pytest.raises(InputError, match=re.escape("cost_s = array of shape (3,): give 2 costs")):
        composed([5, 5], np.ones(3))


def test_a_placement_that_exceeds_the_memory_is_refused():
    composition = composed([5, 5], np.ones(2))
    small = replace(composition.system, servers=Servers([3.0, 4.5], [1.0, 2.0], [0.1, 0.1]))
    with pytest.raises(InfeasibleError, match=r"^server 0 has 3 GB but its 4 blocks need 4 GB"):
        replace(composition, system=small)


def test_times_of_hops_and_the_longest_path():
    rng = np.random.default_rng(343)
    checked = 0
    for _ in range(100):
        system, placement, _ = random_graph(rng)
        slots = placement.cache_slots(system)
        all_paths = paths(placement, slots.tolist(), system.model.block_count)
        if not all_paths:
            continue
        links = legal_links(placement, slots, system.model.block_count)
        cost_s = np.zeros(links.source.size)
        rule = Routing(no_cache_penalty)
        composition = RoutedComposition(system, placement, slots, links, cost_s, np.zeros(slots.size), rule)
        assert composition.most_hops == max(map(len, all_paths))
        for n, (_, j, m) in enumerate(zip(*links, strict=True)):
            visit = system.servers.communication_s[j] + m * system.servers.block_s[j]
            assert composition.job_coefficients_s[n] == pytest.approx(visit, rel=1e-12)
            assert composition.mean_service_s[n] == pytest.approx(visit @ system.mean_job, rel=1e-12)
        checked += 1
    assert checked > 40


def test_fixed_paths_are_the_chains_with_separate_slots():
    rng = np.random.default_rng(344)
    for _ in range(20):
        composition = gca_composition(rng)
        fixed = fixed_paths(composition)
        all_paths = paths(fixed.placement, fixed.slots.tolist(), composition.system.model.block_count)
        links = list(zip(*(column.tolist() for column in fixed.links), strict=True))
        entries = [n for n, (source, _, _) in enumerate(links) if source == len(fixed.system.servers)]
        assert len(entries) == len(composition) <= len(all_paths)
        assert len(links) == composition.hop_server.size  # no link leads from one chain to another
        per_hop = np.repeat(composition.capacity, np.diff(composition.hop_start)) * composition.hop_blocks
        assert fixed.slots.tolist() == per_hop.tolist()


def gca_composition(rng: np.random.Generator):
    while True:
        system = random_system(rng, server_count=int(rng.integers(3, 16)))
        try:
            return gca(system, GbpCr()(system, int(rng.integers(1, 4))))
        except InfeasibleError:
            continue


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"waiting": "queue"}, "waiting = queue: must be one of fcfs, first_fit, backoff, central, planned"),
        ({"refresh_s": -1.0}, "refresh_s = -1.0: must be a finite number, 0 or above"),
        ({"occupancy": "guessed"}, "occupancy = guessed: must be one of present, believed, believed_without_wait"),
        ({"initial_delay_s": -1.0}, "initial_delay_s = -1.0: must be a finite number, 0 or above"),
        ({"delay_is_wait": 1}, "delay_is_wait = 1: must be true or false"),
        ({"foreseen": "yes"}, "foreseen = yes: must be true or false"),
        (
            {"foreseen": True, "waiting": "central"},
            "waiting = central: ends can be foreseen under fcfs and planned onl",
        ),
        (
            {"foreseen": True, "occupancy": "believed_without_wait"},
            "occupancy = believed_without_wait: leaves out the waits, so none can be foreseen; use another occupancy",
        ),
        ({"foreseen": True, "delay_is_wait": False}, "delay_is_wait = false: must be true if waits are foreseen; use "),
        ({"settings": [np.nan]}, "settings[0] = nan: must be a finite number"),
    ],
)
def test_invalid_routing_rules_are_refused(changes, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        Routing(no_cache_penalty, **changes)
