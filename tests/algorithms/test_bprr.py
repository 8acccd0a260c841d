"""BPRR: CG-BP compared with its pseudo-code, R by both rules, the costs of WS-RR, and its guarantee."""

import re
from dataclasses import replace
from functools import cache

import networkx as nx
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from algorithms.bprr import Bprr
from algorithms.placement.cg_bp import CgBp
from algorithms.routing.links import RoutedComposition
from algorithms.routing.ws_rr import expected_wait, mean_over_present
from evaluators.simulation import simulate_layout
from system import InfeasibleError, InputError, RandomStreams, System
from tests.support.oracles.instances import poisson_jobs, random_system
from tests.support.oracles.routing_placements import cg_bp
from tests.support.project import CONF


@cache
def default_system(draw: int, constants: str = "paper") -> System:
    """Return BLOOM on 20 servers, 4 of them fast."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", [f"constants={constants}", "network=european"])
    model = instantiate(config.model)
    servers = instantiate(config.cluster).draw(model, RandomStreams(331, draw))
    return System(model, servers, 0.2, (1.0, 2000.0, 19.0))


def test_cg_bp_equals_its_pseudo_code():
    rng = np.random.default_rng(332)
    placed = refused = 0
    for _ in range(300):
        system = random_system(rng, server_count=int(rng.integers(1, 25)), largest_model=20)
        sessions = int(rng.integers(1, 8))
        plain = cg_bp(system, sessions)
        if plain is None:
            with pytest.raises(
                InfeasibleError, match=rf"^R = {sessions}: .* \d+ of {system.model.block_count} blocks,"
            ):
                CgBp()(system, sessions)
            refused += 1
            continue
        placement = CgBp()(system, sessions)
        used = placement.block_count > 0
        assert placement.block_count.tolist() == plain[1]
        assert (placement.first_block[used] == np.array(plain[0])[used]).all()
        assert placement.reserved_capacity == sessions
        placed += 1
    assert placed > 100
    assert refused > 10


def test_cg_bp_on_clusters_of_two_kinds_of_servers():
    """Check the paper's clusters.

    Their times differ by the network only, and most windows have equal sums at first.
    """
    for draw in range(20):
        system = default_system(draw)
        for sessions in (1, 3, 7):
            plain = cg_bp(system, sessions)
            assert plain is not None
            placement = CgBp()(system, sessions)
            assert (placement.first_block.tolist(), placement.block_count.tolist()) == plain


def shortest_s(system: System) -> float:
    """Return T1, the time of the fastest path for a single session.

    The path is over the placement for R = 1. The nodes of the graph are the numbers of blocks done.
    """
    plain = cg_bp(system, 1)
    assert plain is not None
    graph = nx.DiGraph()
    ends = [first + count for first, count in zip(*plain, strict=True)]
    for done in [0, *ends]:
        for j, (first, end) in enumerate(zip(plain[0], ends, strict=True)):
            time_s = system.communication_s[j] + system.block_s[j] * (end - done)
            known_s = graph.get_edge_data(done, end, {"s": np.inf})["s"]
            if first <= done < end and time_s < known_s:
                graph.add_edge(done, end, s=time_s)
    return nx.shortest_path_length(graph, 0, system.model.block_count, weight="s")


@pytest.mark.parametrize("initial_delay_s", [0.0, 4.0])
def test_r_is_the_mean_plus_a_deviation_of_the_number_of_jobs_present(initial_delay_s):
    sessions = []
    for draw in range(10):
        system = default_system(draw)
        present = 0.2 * (shortest_s(system) + initial_delay_s)
        sessions.append(Bprr(initial_delay_s=initial_delay_s).sessions(system))
        assert sessions[-1] == round(present + present**0.5)
    if initial_delay_s == 0:
        assert set(sessions) <= {3, 4}


def test_r_is_at_most_what_the_memory_of_all_servers_allows():
    """Check that R is between 1 and 36 at the defaults, for any rate."""
    assert int((480 - 1.32 * 90) / (0.11 * 90)) == 36
    busy, idle = (replace(default_system(0), arrival_rate_per_s=rate) for rate in (1e4, 1e-6))
    for rule in ("prior_paper", "published_code"):
        assert Bprr(session_rule=rule).sessions(busy) == 36
    assert Bprr().sessions(idle) == 1


def half_of_the_blocks(system: System) -> int:
    """Return R as `compute_R_eq19_v4` does for two servers.

    It counts l_out round trips to both servers and the blocks of one of them, but no overhead of a visit.
    """
    communication_s = 2 * 20 * system.servers.orchestrator_rtt_s.mean()
    present = 0.2 * (communication_s + (0.7 * system.block_s.min() + 0.3 * system.block_s.max()) * 70 / 2)
    return int(np.ceil(present + max(present, 1) ** 0.5))


@pytest.mark.parametrize(("constants", "sessions"), [("simulator", 2), ("paper", 3)])
def test_the_rule_of_the_published_code_counts_half_of_the_blocks(constants, sessions):
    """Check the rule with round trips of 10 to 32 ms.

    They are those of the network in the published code. With the constants of that code R is 2; with those of the
    paper R is 3.
    """
    system = default_system(0, constants)
    overhead_s = {"simulator": (0.05, 0.0), "paper": (0.018, 0.018)}[constants]
    rtt_s = np.linspace(0.010, 0.032, 20)
    visit_s = np.column_stack([rtt_s + overhead_s[0], 0 * rtt_s, rtt_s + overhead_s[1]])
    near = replace(system, servers=replace(system.servers, communication_s=visit_s, orchestrator_rtt_s=rtt_s))
    assert Bprr(session_rule="published_code").sessions(near) == half_of_the_blocks(near) == sessions


def test_a_deep_model_counts_three_servers():
    """Check that the rule takes 3 servers, although ceil(151 / 50) is 4."""
    system = default_system(0)
    deep = replace(system, model=replace(system.model, block_count=151), arrival_rate_per_s=0.5)
    present = 0.5 * (3 * 20 * deep.servers.communication_s[:, 2].mean())
    present += 0.5 * (0.7 * deep.block_s.min() + 0.3 * deep.block_s.max()) * 151 / 3
    assert Bprr(session_rule="published_code").sessions(deep) == np.ceil(present + present**0.5)


def random_composition(rng: np.random.Generator, scheme: Bprr) -> tuple[System, RoutedComposition]:
    while True:
        system = random_system(rng, server_count=int(rng.integers(4, 20)))
        try:
            return system, scheme.compose(system, rng)
        except InfeasibleError:
            continue


def test_a_hop_costs_the_mean_time_of_the_visit():
    rng = np.random.default_rng(333)
    for _ in range(30):
        system, composition = random_composition(rng, Bprr())
        for n, (_, target, blocks) in enumerate(zip(*composition.links, strict=True)):
            visit_s = system.communication_s[target] + blocks * system.block_s[target]
            assert composition.cost_s[n] == pytest.approx(visit_s, rel=1e-12)
            assert composition.mean_service_s[n] == pytest.approx(visit_s, rel=1e-12)
        assert set(composition.exit_s) <= {0.0, np.inf}
        assert (composition.slots == composition.placement.cache_slots(system)).all()


def test_the_wait_is_the_remaining_time_after_which_enough_slots_are_free():
    """Check a server with five free slots and three jobs.

    The jobs hold 2, 1 and 4 slots, and one is overdue. The arrays also have entries of other servers, before and after.
    """
    end_s, slots = np.array([0.0, 9.0, 12.0, 15.0, 99.0]), np.array([50, 2, 1, 4, 50])

    def wait_s(blocks: int) -> float:
        return expected_wait(0, blocks, 12, 5, 5, 10.0, 1, 4, end_s, slots, np.empty(0))

    assert [wait_s(k) for k in (1, 5, 6, 7, 8, 9, 12)] == [0, 0, 0, 0, 2, 5, 5]
    assert wait_s(13) == np.inf


def test_the_rough_wait_is_a_mean_time_shared_among_the_listed_jobs():
    """Check a server with four free slots, where all blocks take 6 s."""
    lists = 10.0, 2, 5, np.arange(9.0), np.ones(9, np.int64)

    def wait_s(blocks: int, first: int = 2) -> float:
        return mean_over_present(1, blocks, 12, 9, 4, 10.0, first, *lists[2:], np.array([99.0, 6.0]))

    assert [wait_s(k) for k in (1, 4, 5, 12)] == [0, 0, 2, 2]
    assert [wait_s(5, first) for first in (3, 4, 5)] == [3, 6, 6]


def test_the_routing_rule_gets_the_settings_of_the_scheme():
    rng = np.random.default_rng(335)
    settings = {"waiting": "planned", "occupancy": "believed", "initial_delay_s": 0.07, "foreseen": True}
    system, composition = random_composition(rng, Bprr(wait_estimate="mean_over_present", **settings))
    rule, hosted = composition.rule, composition.placement.block_count
    assert rule.delay is mean_over_present
    assert rule.settings == pytest.approx(system.communication_s + hosted * system.block_s, rel=1e-12)
    assert {name: getattr(rule, name) for name in settings} == settings
    assert rule.delay_is_wait


@pytest.mark.parametrize("waiting", ["fcfs", "first_fit", "central", "backoff", "planned"])
def test_no_job_waits_while_no_more_than_r_jobs_are_present(waiting):
    rng = np.random.default_rng(334)
    among_few = waited = 0
    for _ in range(20):
        system, composition = random_composition(rng, Bprr(waiting=waiting))
        busy = replace(system, arrival_rate_per_s=5 * system.arrival_rate_per_s)
        jobs = poisson_jobs(rng, 1000, busy.arrival_rate_per_s)
        times = simulate_layout(composition, jobs).times
        ended = np.searchsorted(np.sort(times.arrival_s + times.response_s), times.arrival_s, side="right")
        present = 1 + np.arange(len(jobs)) - ended
        few = present <= composition.placement.reserved_capacity
        assert (times.waiting_s[few] == 0).all()
        among_few += np.count_nonzero(few & (present > 1))
        waited += np.count_nonzero(times.waiting_s)
    assert among_few > 200
    assert waited > 500


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"session_rule": "mine"}, "session_rule = mine: must be one of prior_paper, published_code"),
        ({"wait_estimate": "mean"}, "wait_estimate = mean: must be one of order_statistic, mean_over_present"),
        ({"waiting": "queue"}, "waiting = queue: must be one of fcfs, first_fit, backoff, central, planned"),
        ({"occupancy": "guess"}, "occupancy = guess: must be one of present, believed, believed_without_wait"),
        ({"initial_delay_s": -1}, "initial_delay_s = -1: must be a finite number, 0 or above"),
        ({"foreseen": 1}, "foreseen = 1: must be true or false"),
    ],
)
def test_invalid_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        Bprr(**changes)
