"""The event loop of routed schemes, compared with a plain simulator and with the simulation of chains."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hydra.utils import instantiate
from scipy.stats import binom

from algorithms.allocation.gca import gca
from algorithms.placement.gbp_cr import GbpCr
from algorithms.routing.links import RoutedComposition, legal_links
from algorithms.routing.petals import no_cache_penalty
from algorithms.routing.ws_rr import expected_wait
from evaluators.points.case import Case, Evaluation
from evaluators.simulation import JobTimes, simulate, simulate_layout
from system import Composition, InfeasibleError, InputError, Placement, Servers, System, UnstableError
from system.routing import WAITING, Routing
from tests.support.oracles.fixed_paths import fixed_paths
from tests.support.oracles.instances import poisson_jobs, random_placement, random_system, served_model, uneven_jobs
from tests.support.oracles.routed_simulation import Hop, RoutedSimulation, Scheme, bprr_scheme, paths, petals_scheme
from tests.support.project import case_of
from workloads.jobs import Jobs

BACKOFF_S = np.cumsum([0, 1, 2, 4, 8, 16, 32, *[60] * 200])
SCHEMES = {
    "petals": petals_scheme,
    "petals, refreshed rarely": lambda system, waiting: petals_scheme(system, waiting, refresh_s=20.0),
    "ws_rr": bprr_scheme,
}


def routed(system: System, placement: Placement, slots: np.ndarray, scheme: Scheme) -> RoutedComposition:
    """Return the composition whose graph has the costs of a plain scheme."""
    links = legal_links(placement, slots, system.model.block_count)
    hops = [Hop(None if i == len(system.servers) else int(i), j, m) for i, j, m in zip(*links, strict=True)]
    ends = placement.end_block == system.model.block_count
    exit_s = np.array([scheme.exit_s(j) if ends[j] else np.inf for j in range(ends.size)])
    rule = (
        Routing(no_cache_penalty, scheme.waiting, scheme.refresh_s, np.array([10.0]), delay_is_wait=False)
        if scheme.delay == "petals"
        else Routing(expected_wait, scheme.waiting)
    )
    return RoutedComposition(system, placement, slots, links, np.array([*map(scheme.hop_s, hops)]), exit_s, rule)


def random_routed(rng: np.random.Generator, scheme_of: Callable[..., Scheme], waiting: str) -> RoutedComposition:
    """Return a random routed composition with at least three paths.

    Servers host overlapping ranges of blocks, and some have too few slots for some hops.
    """
    while True:
        system = random_system(rng, server_count=int(rng.integers(3, 8)), largest_model=8)
        placement = random_placement(rng, system)
        most = rng.integers(1, 4 * system.model.block_count, len(system.servers))
        slots = np.minimum(placement.cache_slots(system), most)
        if len(paths(placement, slots.tolist(), system.model.block_count)) >= 3:
            return routed(system, placement, slots, scheme_of(system, waiting))


def crowded_rate_per_s(composition: RoutedComposition, load: float) -> float:
    """Return about `load` times the rate that the slots can serve.

    All servers and hops are taken to be equally good.
    """
    system = composition.system
    jobs_at_once = composition.slots.sum() / system.model.block_count
    return load * jobs_at_once / float(composition.mean_service_s.mean() * composition.most_hops)


def plain_times(composition: RoutedComposition, scheme: Scheme, jobs: Jobs) -> JobTimes:
    """Return the plain simulator's results as `JobTimes`."""
    slots = composition.slots.tolist()
    plain = RoutedSimulation(composition.system, composition.placement, slots, scheme, jobs)
    start_s, service_s, first_s, output_s = (np.array(column) for column in zip(*plain.run(), strict=True))
    return JobTimes(jobs.arrival_s, start_s - jobs.arrival_s, service_s, first_s - jobs.arrival_s, output_s)


def assert_same_jobs(ours: JobTimes, plain: JobTimes) -> None:
    for name in ("waiting_s", "service_s", "first_token_s", "output_token_s", "response_s"):
        assert getattr(ours, name) == pytest.approx(getattr(plain, name), rel=1e-9, abs=1e-9), name


def whole_model_system(slots: int, arrival_rate_per_s: float) -> tuple[System, Placement]:
    """Return one server that hosts all 5 blocks and has `slots` cache slots."""
    rtt_s = np.full((1, 1), 0.03)
    servers = Servers([5 + slots * 0.1], [0.7], [0.11], orchestrator_rtt_s=rtt_s[0], rtt_s=rtt_s)
    return System(served_model(5), servers, arrival_rate_per_s), Placement([0], [5])


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("waiting", WAITING)
@pytest.mark.parametrize("jobs_of", [poisson_jobs, uneven_jobs])
def test_every_job_is_served_as_in_the_plain_simulator(name, waiting, jobs_of):
    rng = np.random.default_rng(301)
    waited = shared = 0
    for load in (0.5, 1.0, 2.0) * 4:
        composition = random_routed(rng, SCHEMES[name], waiting)
        scheme = SCHEMES[name](composition.system, waiting)
        jobs = jobs_of(rng, 150, crowded_rate_per_s(composition, load))
        ours = simulate_layout(composition, jobs).times
        assert_same_jobs(ours, plain_times(composition, scheme, jobs))
        assert (ours.waiting_s >= 0).all()
        waited += np.count_nonzero(ours.waiting_s)
        shared += np.unique(ours.output_token_s).size > 1
    assert waited > 500
    assert shared > 3  # compositions on which jobs took different paths


def several_at_once(times: JobTimes) -> int:
    """Return the number of waiting jobs that started at the same instant as another."""
    start_s = np.sort((times.arrival_s + times.waiting_s)[times.waiting_s > 0])
    return int((np.diff(start_s) < 1e-9).sum())


@pytest.mark.parametrize(("name", "seed", "least"), [("petals", 59, 1), ("ws_rr", 312, 50)])
def test_jobs_that_leave_the_central_queue_together_see_each_others_slots(name, seed, least):
    """Check that each job sees the slots that the previous one left.

    With the delays of PETALS this happens in few systems; the seed gives one of them.
    """
    rng = np.random.default_rng(seed)
    together = 0
    for _ in range(12):
        composition = random_routed(rng, SCHEMES[name], "central")
        scheme = SCHEMES[name](composition.system, "central")
        jobs = poisson_jobs(rng, 100, crowded_rate_per_s(composition, 0.8))
        ours = simulate_layout(composition, jobs).times
        assert_same_jobs(ours, plain_times(composition, scheme, jobs))
        together += several_at_once(ours)
    assert together >= least


def two_whole_models(slots: list[int], waiting: str) -> tuple[RoutedComposition, Scheme]:
    """Return two servers that host all 5 blocks.

    A job takes 1.5 s on the first and 1 s on the second.
    """
    servers = Servers(5 + 0.1 * np.array(slots), [0.5, 0.5], [0.2, 0.1])
    system = System(served_model(5), servers, 1.0)
    scheme = bprr_scheme(system, waiting)
    return routed(system, Placement([0, 0], [5, 5]), np.array(slots), scheme), scheme


@pytest.mark.parametrize("waiting", WAITING)
def test_many_more_jobs_than_slots_at_a_server_are_served(waiting):
    """Make the lists of jobs grow.

    240 jobs arrive in 2 s, and committed jobs wait at servers for 12 and 4 jobs.
    """
    composition, scheme = two_whole_models([60, 20], waiting)
    jobs = poisson_jobs(np.random.default_rng(302), 240, 120.0)
    ours = simulate_layout(composition, jobs).times
    assert_same_jobs(ours, plain_times(composition, scheme, jobs))
    assert np.count_nonzero(ours.waiting_s) > 200


def test_dozens_of_jobs_leave_the_central_queue_at_once():
    """Let the first job take far longer than expected.

    So the next job waits for its server although another server is free.
    """
    composition, scheme = two_whole_models([500, 5], "central")
    arrival_s = np.append(0.0, 1.5 + 0.01 * np.arange(90))
    jobs = Jobs(arrival_s, np.append(50.0, np.linspace(1, 2, 90)), np.zeros((1, 2)), np.zeros(91))
    ours = simulate_layout(composition, jobs).times
    assert_same_jobs(ours, plain_times(composition, scheme, jobs))
    assert several_at_once(ours) > 64


def coefficients_along(composition: Composition) -> np.ndarray:
    """Return the coefficients (K, 3) of the chains, added up hop by hop.

    A job meets the hops in this order. They equal the composition's own coefficients except for the last bits.
    """
    servers = composition.system.servers
    hops = zip(composition.hop_server, composition.hop_blocks, strict=True)
    visits_s = [servers.communication_s[j] + m * servers.block_s[j] for j, m in hops]
    ends = zip(composition.hop_start[:-1], composition.hop_start[1:], strict=True)
    return np.array([sum(visits_s[first + 1 : end], visits_s[first]) for first, end in ends])


def chain_compositions(rng: np.random.Generator, count: int) -> list[Composition]:
    """Return compositions by GBP-CR and GCA; their times are continuous, so without ties."""
    compositions: list[Composition] = []
    while len(compositions) < count:
        system = random_system(rng, server_count=int(rng.integers(3, 16)))
        try:
            compositions.append(gca(system, GbpCr()(system, int(rng.integers(1, 4)))))
        except InfeasibleError:
            continue
    return compositions


@pytest.mark.parametrize("load", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("jobs_of", [poisson_jobs, uneven_jobs])
def test_fixed_paths_agree_with_chains_to_the_last_bit(load, jobs_of):
    rng = np.random.default_rng(303)
    chains = waited = 0
    for composition in chain_compositions(rng, 20):
        jobs = jobs_of(rng, 2000, load * composition.total_rate_per_s)
        coefficients_s = coefficients_along(composition)
        assert composition.job_coefficients_s == pytest.approx(coefficients_s, rel=1e-14)
        chain = simulate(jobs, composition.mean_service_s, composition.capacity, coefficients_s=coefficients_s)
        ours = simulate_layout(fixed_paths(composition), jobs).times
        for name in ("waiting_s", "service_s", "first_token_s", "output_token_s"):
            assert getattr(ours, name).tobytes() == getattr(chain, name).tobytes(), name
        chains += len(composition)
        waited += np.count_nonzero(chain.waiting_s)
    assert chains > 60
    assert waited > 0 or (load == 0.3 and jobs_of is poisson_jobs)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("waiting", ["fcfs", "first_fit", "central"])
@pytest.mark.parametrize("jobs_of", [poisson_jobs, uneven_jobs])
def test_one_server_agrees_with_one_chain_to_the_last_bit(name, waiting, jobs_of):
    """Give one server 23 slots, which hold 4 jobs of 5 blocks.

    The penalty of PETALS changes nothing, because there is no other path.
    """
    system, placement = whole_model_system(23, 1.0)
    scheme = SCHEMES[name](system, waiting)
    composition = routed(system, placement, np.array([23]), scheme)
    jobs = jobs_of(np.random.default_rng(304), 4000, 0.9 * 4 / 1.25)
    chain = simulate(jobs, [1.25], [4], coefficients_s=composition.job_coefficients_s)
    ours = simulate_layout(composition, jobs).times
    assert np.count_nonzero(chain.waiting_s) > 1000
    for column in ("waiting_s", "service_s", "first_token_s", "output_token_s"):
        assert getattr(ours, column).tobytes() == getattr(chain, column).tobytes(), column


@pytest.mark.parametrize("name", SCHEMES)
def test_backoff_waits_for_the_next_attempt_and_longer_than_a_queue(name):
    system, placement = whole_model_system(20, 1.0)
    jobs = poisson_jobs(np.random.default_rng(305), 4000, 0.9 * 4 / 1.25)
    composition = routed(system, placement, np.array([20]), SCHEMES[name](system, "backoff"))
    waiting_s = simulate_layout(composition, jobs).times.waiting_s
    queueing_s = simulate(jobs, [1.25], [4]).waiting_s
    assert BACKOFF_S[:9].tolist() == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert np.abs(waiting_s[:, None] - BACKOFF_S).min(axis=1).max() < 1e-6
    assert {0, 1, 3, 7, 15, 31, 63, 123} <= set(np.rint(waiting_s).astype(int))
    assert waiting_s.mean() >= queueing_s.mean()


@pytest.mark.parametrize("seed", range(20))
def test_stable_system_is_not_refused(seed):
    """Run one server and the chains of a composition at load .8."""
    rng = np.random.default_rng([306, seed])
    system, placement = whole_model_system(20, 0.8 * 4 / 1.25)
    single = routed(system, placement, np.array([20]), bprr_scheme(system, "fcfs"))
    simulate_layout(single, poisson_jobs(rng, 20_000, system.arrival_rate_per_s), stop_unstable=True)
    (composition,) = chain_compositions(rng, 1)
    rate = 0.8 * composition.total_rate_per_s
    jobs = poisson_jobs(rng, 20_000, rate)
    simulate_layout(fixed_paths(composition.at_rate(rate)), jobs, stop_unstable=True)


@pytest.mark.parametrize("waiting", WAITING)
def test_unstable_system_is_refused_early(waiting):
    """Run a server at 1.3 times its service rate.

    Without the check every job is served.
    """
    rate = 1.3 * 4 / 1.25
    system, placement = whole_model_system(20, rate)
    composition = routed(system, placement, np.array([20]), bprr_scheme(system, waiting))
    jobs = poisson_jobs(np.random.default_rng(307), 20_000, rate)
    message = r"^arrival_rate_per_s = 4.16: jobs leave more slowly than they come"
    with pytest.raises(UnstableError, match=message) as refusal:
        simulate_layout(composition, jobs, stop_unstable=True)
    match = re.search(r"seen after (\d+) of 20000 arrivals; lower the rate", str(refusal.value))
    assert match is not None
    assert int(match[1]) <= 2000
    assert (simulate_layout(composition, jobs).times.service_s > 0).all()


def test_same_jobs_give_the_same_bytes_and_input_is_not_changed():
    rng = np.random.default_rng(308)
    composition = random_routed(rng, petals_scheme, "backoff")
    jobs = poisson_jobs(rng, 500, crowded_rate_per_s(composition, 1.5))
    before, slots = jobs.arrival_s.copy(), composition.slots.copy()
    first, second = (simulate_layout(composition, jobs).times for _ in range(2))
    assert first.response_s.tobytes() == second.response_s.tobytes()
    assert (jobs.arrival_s == before).all()
    assert (composition.slots == slots).all()


def test_delay_that_leaves_no_path_is_refused():
    """Use `only_with_room`, under which a job outside the central queue may have no path."""
    (composition,) = chain_compositions(np.random.default_rng(309), 1)
    fixed = fixed_paths(composition)
    committed = replace(fixed, rule=replace(fixed.rule, waiting="fcfs"))
    jobs = poisson_jobs(np.random.default_rng(310), 3000, 3 * composition.total_rate_per_s)
    message = "delay = only_with_room: leaves a job without a path; it must be finite somewhere"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        simulate_layout(committed, jobs)


def test_simulation_without_jobs_is_empty():
    composition = random_routed(np.random.default_rng(311), bprr_scheme, "fcfs")
    no_jobs = Jobs(*(np.empty(shape) for shape in (0, 0, (1, 2), 0)))
    assert simulate_layout(composition, no_jobs).times.response_s.size == 0


def evaluation(*overrides: str) -> Evaluation:
    case: Case = instantiate(case_of("network=european", "workload.job_count=3000", *overrides))
    return case.evaluate(range(1), range(1))


@pytest.mark.parametrize("name", ["proposed", "petals", "bprr"])
def test_unstable_run_is_refused_or_reported(name):
    """Run a scheme at 50 requests/s, an overload, and at one per 50 s."""
    refused = evaluation(f"algorithm={name}", "demand.per_s=50")
    assert refused.rows == []
    assert [refusal.status for refusal in refused.refusals] == ["unstable"]
    for rate, expected in ((50, 1.0), (0.02, 0.0)):
        reported = evaluation(f"algorithm={name}", f"demand.per_s={rate}", "evaluator.unstable=report")
        assert reported.refusals == []
        values = {row.metric: row.value for row in reported.rows}
        assert values["is_unstable"] == expected
        assert values["response_mean_s"] == pytest.approx(values["waiting_mean_s"] + values["service_mean_s"])
        assert (values["waiting_mean_s"] > 100) == (rate == 50)


def refused_runs(load: float, job_count: int, seeds: int) -> int:
    """Return how many of `seeds` runs of M/M/4 are called unstable.

    The server serves 4 jobs at once.
    """
    rate, refused = load * 4 / 1.25, 0
    system, placement = whole_model_system(20, rate)
    composition = routed(system, placement, np.array([20]), bprr_scheme(system, "fcfs"))
    for seed in range(seeds):
        try:
            jobs = poisson_jobs(np.random.default_rng([313, seed]), job_count, rate)
            simulate_layout(composition, jobs, stop_unstable=True)
        except UnstableError:
            refused += 1
    return refused


def test_stable_runs_near_saturation_are_refused_as_rarely_as_the_confidence_allows():
    """Run a queue at load .97, where the number of jobs drifts slowly.

    A verdict at 99 % confidence is wrong in at most one run of a hundred. So at most 2 of 40 runs may be refused, again
    at 99 % confidence.
    """
    allowed = int(binom.ppf(0.99, 40, 1 - 0.99))
    assert allowed == 2
    assert refused_runs(load=0.97, job_count=20_000, seeds=40) <= allowed


def test_clear_overload_is_always_refused_in_a_short_run():
    """Run a server at 1.3 times its service rate; 5,000 jobs must suffice."""
    assert refused_runs(load=1.3, job_count=5_000, seeds=20) == 20
