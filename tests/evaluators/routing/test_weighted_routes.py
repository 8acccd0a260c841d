"""Jobs that walk by weights: the compiled admission compared with a plain simulator, and the shares of hops."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from algorithms.routing.links import RoutedComposition
from algorithms.routing.weighted import usable_weights, weighted_routes
from evaluators.admission.requests import Hop, RequestAdmission
from evaluators.simulation import simulate_layout
from system import InfeasibleError, InputError, Placement, Servers, System
from system.routing import FlowRouting
from system.service.steps import Steps
from tests.algorithms.test_contracts import token_jobs
from tests.evaluators.test_routed_simulation import crowded_rate_per_s
from tests.support.oracles.helix.walks import Rule, Walks
from tests.support.oracles.instances import poisson_jobs, random_placement, random_system, served_model, uneven_jobs
from tests.support.oracles.virtual_clock import VirtualClock
from workloads.jobs import Jobs


def random_rule(rng: np.random.Generator, count: int) -> FlowRouting:
    """Return random weights, a third of them 0, with random limits."""
    weights = rng.uniform(0.1, 3, (count + 1, count + 1)) * (rng.random((count + 1, count + 1)) < 0.67)
    return FlowRouting(weights, float(rng.choice([0.5, 0.75, 0.9, 1.0])), float(rng.choice([0.0, 0.05, 0.2])))


def random_routes(rng: np.random.Generator, hops: int = 3) -> RoutedComposition:
    """Return random routes by weights, with at least so many usable hops."""
    while True:
        system = random_system(rng, server_count=int(rng.integers(3, 9)), largest_model=8)
        try:
            routes = weighted_routes(system, random_placement(rng, system), random_rule(rng, len(system.servers)))
        except InfeasibleError:
            continue
        if np.count_nonzero(usable_weights(routes, routes.rule)) >= hops:
            return routes


def plain_run(routes: RoutedComposition, jobs: Jobs) -> Walks:
    """Return the plain simulator after all jobs."""
    rule = Rule(routes.rule.weights, routes.rule.high_water, routes.rule.least_share)
    walks = Walks(routes.system, routes.placement, routes.slots.tolist(), rule, jobs)
    walks.run()
    return walks


def admission_paths(routes: RoutedComposition, jobs: Jobs, service_s: np.ndarray) -> list[tuple[Hop, ...]]:
    """Return the path of each job by the admission that real runs call."""
    clock = VirtualClock(RequestAdmission(routes, jobs), jobs, lambda start: float(service_s[start.job])).run()
    return [started.start.path for started in sorted(clock.started, key=lambda started: started.start.job)]


@pytest.mark.parametrize("jobs_of", [poisson_jobs, uneven_jobs, token_jobs])
def test_every_job_walks_and_waits_as_in_the_plain_simulator(jobs_of):
    rng, waited, shared = np.random.default_rng(901), 0, 0
    for load in (0.3, 0.6, 1.0) * 8:
        routes = random_routes(rng)
        jobs = jobs_of(rng, 120, crowded_rate_per_s(routes, load))
        ours, served = simulate_layout(routes, jobs).times, plain_run(routes, jobs).served
        start_s, service_s = (
            np.array([getattr(served[job], name) for job in range(120)]) for name in served[0]._fields[:2]
        )
        assert ours.service_s == pytest.approx(service_s, rel=1e-9)
        assert ours.arrival_s + ours.waiting_s == pytest.approx(start_s, rel=1e-9, abs=1e-9)
        taken = admission_paths(routes, jobs, ours.service_s)
        plain = [tuple((hop.server, hop.blocks) for hop in served[job].path) for job in range(120)]
        assert [tuple((hop.server, hop.blocks) for hop in path) for path in taken] == plain
        waited += np.count_nonzero(ours.waiting_s)
        shared += len(set(plain)) > 1
    assert waited > 200
    assert shared > 12


def test_step_queues_give_a_lone_job_the_time_of_equation_2():
    rng = np.random.default_rng(902)
    for _ in range(5):
        routes = random_routes(rng)
        jobs = token_jobs(rng, 30, 1e-4)
        alone = simulate_layout(routes, jobs).times
        assert simulate_layout(routes, jobs, Steps()).times.service_s == pytest.approx(alone.service_s, rel=1e-9)


def three_stages(weights: np.ndarray, memory_gb: float) -> RoutedComposition:
    """Return two servers for each of three blocks."""
    servers = Servers([memory_gb] * 6, [0.1] * 6, [0.1] * 6)
    system = System(served_model(3, cache_memory_gb=0.01), servers, 1.0)
    return weighted_routes(system, Placement([0, 0, 1, 1, 2, 2], [1] * 6), FlowRouting(weights))


def test_long_run_shares_of_the_work_are_those_of_the_weights():
    """Compare the tokens over each hop.

    The shares are off by at most the tokens of one job.
    """
    rng, weights = np.random.default_rng(903), np.zeros((7, 7))
    flows = rng.dirichlet(np.ones(2) * 4, 5)
    weights[6, :2], weights[0, 2:4], weights[1, 2:4], weights[2, 4:6], weights[3, 4:6] = flows
    routes = three_stages(weights, 30.0)
    jobs = token_jobs(rng, 3000, 0.01)  # one after the other: nothing is full
    tokens: dict[tuple[int, int], float] = {}
    paths = admission_paths(routes, jobs, np.full(3000, 1e-6))
    for path, work in zip(paths, jobs.lengths.sum(axis=1).tolist(), strict=True):
        nodes = [6, *(hop.server for hop in path)]
        for hop in pairwise(nodes):
            tokens[hop] = tokens.get(hop, 0.0) + work
    for source, first in ((6, 0), (0, 2), (1, 2), (2, 4), (3, 4)):
        pair = np.array([tokens[source, first], tokens[source, first + 1]])
        share = weights[source, first] / weights[source].sum()
        assert abs(pair[0] - share * pair.sum()) <= jobs.lengths.sum(axis=1).max() * 1.01


def test_weights_of_servers_are_those_of_the_hops_to_them():
    by_server = np.array([1.0, 2.0, 3.0, 1.0, 1.0, 4.0])
    rng = np.random.default_rng(904)
    jobs = poisson_jobs(rng, 400, 500.0)
    times = [
        simulate_layout(three_stages(weights, 1.3), jobs).times
        for weights in (by_server, np.vstack([np.append(by_server, 0.0)] * 7))
    ]
    assert times[0].response_s.tobytes() == times[1].response_s.tobytes()
    assert times[0].waiting_s.any()


def test_servers_above_the_high_water_mark_are_passed_over():
    """Give each server 30 slots.

    With a mark of one third, a job waits although 20 slots are free.
    """
    routes = three_stages(np.ones(6), 1.3)
    assert (routes.slots == 30).all()
    jobs = replace(poisson_jobs(np.random.default_rng(905), 21, 1e4), size=np.full(21, 1.0))
    waiting = simulate_layout(replace(routes, rule=replace(routes.rule, high_water=1 / 3)), jobs).times.waiting_s > 0
    assert waiting.tolist() == [False] * 20 + [True]
    assert not simulate_layout(routes, jobs).times.waiting_s.any()


def test_a_lost_server_takes_its_dead_ends_with_it():
    """Check that jobs avoid a server that leads nowhere after a loss."""
    weights = np.zeros((7, 7))
    weights[6, :2] = weights[0, 2] = weights[1, 3] = weights[2, 4:6] = weights[3, 4:6] = 1.0
    routes, jobs = three_stages(weights, 30.0), poisson_jobs(np.random.default_rng(906), 10, 1.0)
    admission = RequestAdmission(routes, jobs)
    assert admission.lose_server(2) == []
    for job in range(10):
        admission.arrive(job)
        (start,) = admission.starts(float(jobs.arrival_s[job]))
        assert [hop.server for hop in start.path][:2] == [1, 3]
    assert admission.lose_server(3) == []
    with pytest.raises(InfeasibleError, match=r"^no path: servers were lost"):
        admission.arrive(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"weights": np.ones((3, 2))},
            "weights = array of shape .*: give one weight for each server, or a square matrix",
        ),
        ({"weights": -np.ones(3)}, "weights"),
        ({"high_water": 1.1}, "high_water = 1.1: must be at most 1"),
        ({"high_water": 0.0}, "high_water = 0"),
        ({"least_share": -0.1}, "least_share = -0.1"),
    ],
)
def test_a_bad_rule_is_refused_in_one_sentence(change, message):
    with pytest.raises(InputError, match=f"^{message}"):
        replace(FlowRouting(np.ones(3)), **change)


def test_layouts_without_any_path_are_refused():
    with pytest.raises(
        InputError, match=r"^weights = array of shape \(5,\): must have shape \(6,\) or \(7, 7\) for 6 servers"
    ):
        three_stages(np.ones(5), 1.3)
    with pytest.raises(InfeasibleError, match=r"^no path: every path has a hop of weight 0, or a server"):
        three_stages(np.array([1, 1, 0, 0, 1, 1.0]), 1.3)
    with pytest.raises(InfeasibleError, match=r"exceed the share 0.9 of its cache slots"):
        three_stages(np.ones(6), 1.01)
