"""The simulator of jobs, compared with a plain one on Python's heap and checked for properties that always hold."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

from evaluators.simulation import JobTimes, simulate
from system import InputError
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch
from tests.algorithms.test_dispatch import DISPATCHES
from tests.support.oracles.event_simulation import POLICIES, Simulation, TiedChainsError
from tests.support.oracles.instances import poisson_jobs, random_queue, uneven_jobs
from tests.support.oracles.sweep import Sweep
from workloads.jobs import Jobs


def plain_times(
    name: str, jobs: Jobs, mean_s: np.ndarray, capacity: np.ndarray, coefficients_s: np.ndarray | None = None
) -> JobTimes:
    """Return the plain simulator's results as `JobTimes`."""
    if coefficients_s is None:
        coefficients_s = np.column_stack([mean_s, 0 * mean_s, 0 * mean_s])
    plain = Simulation(jobs, coefficients_s, (1 / mean_s).tolist(), capacity.tolist(), POLICIES[name])
    start_s, service_s, first_token_s, chain = (np.array(column) for column in zip(*plain.run(), strict=True))
    waiting_s, first_token_s = start_s - jobs.arrival_s, first_token_s - jobs.arrival_s
    times = (jobs.arrival_s, waiting_s, service_s, first_token_s, coefficients_s[chain, 2])
    return JobTimes(*times, chain, mean_s.size)


def assert_same_jobs(ours: JobTimes, plain: JobTimes) -> None:
    assert ours.chain_count == plain.chain_count
    assert (ours.chain == plain.chain).all()
    for name in ("waiting_s", "service_s", "first_token_s", "response_s"):
        assert getattr(ours, name) == pytest.approx(getattr(plain, name), rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("name", DISPATCHES)
@pytest.mark.parametrize("load", [0.5, 0.95, 1.3])
def test_every_job_is_served_as_in_the_plain_simulator(name, load):
    rng = np.random.default_rng(61)
    for _ in range(15):
        arrival_rate, rates, capacity = random_queue(rng, most_states=2000, decades=1.5, load=load)
        order = np.argsort(-rates)
        mean_s, capacity = 1 / rates[order], capacity[order]
        jobs = poisson_jobs(rng, 300, arrival_rate)
        ours = simulate(jobs, mean_s, capacity, DISPATCHES[name])
        assert_same_jobs(ours, plain_times(name, jobs, mean_s, capacity))


@pytest.mark.parametrize("name", DISPATCHES)
def test_bursts_of_jobs_with_individual_lengths_are_served_as_in_the_plain_simulator(name):
    rng = np.random.default_rng(62)
    waited = 0
    for _ in range(15):
        chain_count = int(rng.integers(1, 6))
        coefficients_s = rng.uniform(0.2, 1, (chain_count, 3)) * (1, 0.01, 0.05)
        mean_s = coefficients_s @ (1, 200, 200)
        order = np.argsort(mean_s)
        coefficients_s, mean_s, capacity = coefficients_s[order], mean_s[order], rng.integers(1, 6, chain_count)
        jobs = uneven_jobs(rng, 400, float(capacity @ (1 / mean_s)))
        ours = simulate(jobs, mean_s, capacity, DISPATCHES[name], coefficients_s)
        assert_same_jobs(ours, plain_times(name, jobs, mean_s, capacity, coefficients_s))
        assert (ours.first_token_s <= ours.response_s).all()
        waited += np.count_nonzero(ours.waiting_s)
    assert waited > 1000  # the bursts overload the chains


def whole_number_jobs(rng: np.random.Generator, count: int) -> Jobs:
    """Return a few jobs with whole arrival times and sizes: many events coincide."""
    arrival_s = np.sort(rng.integers(0, 12, count)).astype(np.float64)
    return Jobs(arrival_s, rng.integers(1, 6, count).astype(np.float64), np.zeros((1, 2)), rng.random(count))


@pytest.mark.parametrize("name", DISPATCHES)
def test_events_at_one_instant_come_in_the_same_order(name):
    """Check that completions come before arrivals, and arrivals in order.

    Runs in which two chains complete jobs at one instant are skipped, because their order is not defined.
    """
    rng = np.random.default_rng(63)
    coincident = 0
    for _ in range(600):
        jobs = whole_number_jobs(rng, 9)
        chain_count = int(rng.integers(1, 4))
        mean_s, capacity = np.sort(rng.choice([1.0, 2.0, 3.0, 5.0, 7.0], chain_count)), rng.integers(1, 3, chain_count)
        try:
            plain = plain_times(name, jobs, mean_s, capacity)
        except TiedChainsError:
            continue
        ours = simulate(jobs, mean_s, capacity, DISPATCHES[name])
        assert_same_jobs(ours, plain)
        completion_s = ours.arrival_s + ours.response_s
        coincident += np.isin(ours.arrival_s, completion_s).any()
    assert coincident > 50


def random_run(rng: np.random.Generator, name: str, load: float) -> tuple[JobTimes, np.ndarray]:
    arrival_rate, rates, capacity = random_queue(rng, most_states=1e5, decades=1, load=load)
    order = np.argsort(-rates)
    jobs = poisson_jobs(rng, 3000, arrival_rate)
    return simulate(jobs, 1 / rates[order], capacity[order], DISPATCHES[name]), capacity[order]


@pytest.mark.parametrize("name", DISPATCHES)
@pytest.mark.parametrize("load", [0.4, 0.9, 1.2])
def test_runs_respect_capacity_order_and_work_conservation(name, load):
    rng = np.random.default_rng(64)
    for _ in range(10):
        times, capacity = random_run(rng, name, load)
        sweep = Sweep(times, capacity)
        assert (times.waiting_s >= 0).all()
        assert sweep.never_over_capacity()
        assert sweep.in_order_on_each_chain()
        assert sweep.started_by_a_completion()
        if DISPATCHES[name].work_conserving:
            assert sweep.work_conserving()


@pytest.mark.parametrize("name", ["jsq", "sa_jsq", "jiq", "sed"])
def test_policies_with_own_queues_do_not_conserve_work(name):
    """Check that `Sweep` can tell the difference, or the test above would be empty."""
    rng = np.random.default_rng(65)
    runs = [random_run(rng, name, 0.95) for _ in range(10)]
    assert not all(Sweep(times, capacity).work_conserving() for times, capacity in runs)


def test_all_policies_are_equal_to_the_last_bit_with_one_chain():
    jobs = poisson_jobs(np.random.default_rng(66), 5000, 3.6)
    results = [simulate(jobs, [1.0], [4], dispatch) for dispatch in DISPATCHES.values()]
    assert np.count_nonzero(results[0].waiting_s) > 1000
    for times in results[1:]:
        assert times.waiting_s.tobytes() == results[0].waiting_s.tobytes()
        assert times.service_s.tobytes() == results[0].service_s.tobytes()


def test_sa_jsq_equals_jffc_until_all_capacity_is_used():
    rng = np.random.default_rng(67)
    jobs = poisson_jobs(rng, 4000, 1.5)
    mean_s, capacity = np.array([1.0, 1.5, 4.0]), np.array([2, 1, 3])
    jffc, sa_jsq = (simulate(jobs, mean_s, capacity, DISPATCHES[name]) for name in ("jffc", "sa_jsq"))
    first_wait = int(np.flatnonzero(jffc.waiting_s)[0])
    assert first_wait > 20
    assert (jffc.chain[:first_wait] == sa_jsq.chain[:first_wait]).all()
    assert (jffc.service_s[:first_wait] == sa_jsq.service_s[:first_wait]).all()
    assert (jffc.chain != sa_jsq.chain).any()  # after that the jobs queue at different chains


def test_the_same_jobs_give_the_same_bytes():
    runs = [random_run(np.random.default_rng(68), "jiq", 0.9)[0] for _ in range(2)]
    for name in ("waiting_s", "service_s", "first_token_s", "chain"):
        assert getattr(runs[0], name).tobytes() == getattr(runs[1], name).tobytes()


def test_input_is_not_changed():
    jobs = poisson_jobs(np.random.default_rng(69), 100, 1.0)
    before = jobs.arrival_s.copy(), jobs.size.copy()
    capacity = np.array([1, 2])
    simulate(jobs, [1.0, 2.0], capacity)
    assert (jobs.arrival_s == before[0]).all()
    assert (jobs.size == before[1]).all()
    assert capacity.tolist() == [1, 2]


def test_times_of_three_jobs_are_as_computed_by_hand():
    jobs = Jobs(np.array([0.0, 1.0, 1.5]), np.array([2.0, 1.0, 1.0]), np.array([[10.0, 4.0]]), np.zeros(3))
    coefficients_s = np.array([[1.0, 0.1, 0.25]])  # prefill 2 s, decoding 1 s for size 1
    times = simulate(jobs, [3.0], [1], coefficients_s=coefficients_s)
    assert times.waiting_s.tolist() == [0.0, 5.0, 7.5]
    assert times.service_s.tolist() == [6.0, 3.0, 3.0]
    assert times.first_token_s.tolist() == [4.0, 7.0, 9.5]
    assert times.response_s.tolist() == [6.0, 8.0, 10.5]


def test_simulation_without_jobs_is_empty():
    assert simulate(Jobs(*(np.empty(shape) for shape in (0, 0, (1, 2), 0))), [1.0], [1]).response_s.size == 0


def test_the_warm_up_is_cut_from_every_column():
    times, _ = random_run(np.random.default_rng(70), "jffc", 0.7)
    cut = times.after_warm_up(0.1)
    for name in ("arrival_s", "waiting_s", "service_s", "first_token_s", "chain"):
        assert (getattr(cut, name) == getattr(times, name)[300:]).all()
    for share in (-0.1, 1.0):
        with pytest.raises(InputError, match=re.escape(f"warm_up = {share}: must be a share of the jobs")):
            times.after_warm_up(share)


@compiled(DISPATCH)
def beyond_the_last_chain(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return capacity.size


@compiled(DISPATCH)
def never(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return -1


@njit(DISPATCH)  # as a user may write it, without this project's decorator
def fastest_but_with_patience(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    """Pick the fastest chain; pick a slower one only for a long queue.

    The queue must be longer than `settings[0]`.
    """
    for k in range(capacity.size):
        if busy[k] < capacity[k] and (k == 0 or waiting > settings[0]):
            return k
    return -1


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            beyond_the_last_chain,
            "dispatch = beyond_the_last_chain: answers 2 for job 0; must answer with a chain below 2 or with -1",
        ),
        (
            never,
            "dispatch = never: leaves 50 jobs waiting beside idle chains; "
            "it must let a job start when all chains are idle",
        ),
    ],
)
def test_policy_with_invalid_answers_is_refused(policy: Callable[..., int], message):
    jobs = poisson_jobs(np.random.default_rng(71), 50, 1.0)
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        simulate(jobs, [1.0, 2.0], [1, 1], Dispatch(policy, work_conserving=True))


def test_user_defined_policy_reads_its_settings():
    """Let jobs wait beside an idle slow chain until the queue is long enough."""
    jobs = poisson_jobs(np.random.default_rng(72), 2000, 1.2)
    used = []
    for patience in (0.0, 2.0, 1e9):
        dispatch = Dispatch(fastest_but_with_patience, work_conserving=False, settings=np.array([patience]))
        times = simulate(jobs, [1.0, 4.0], [1, 2], dispatch)
        sweep = Sweep(times, np.array([1, 2]))
        assert sweep.never_over_capacity()
        assert sweep.in_order_on_each_chain()
        assert sweep.work_conserving() == (patience == 0)
        used.append(np.count_nonzero(times.chain == 1))
    assert used[0] > used[1] > used[2] == 0


@pytest.mark.parametrize(
    ("chains", "message"),
    [
        (([1.0, 2.0], [1]), "capacities = array of size 1: give 2, one per chain"),
        (([], []), "mean_service_s = []: give at least one chain"),
        (([2.0, 1.0], [1, 1]), "mean_service_s = not ascending: give the chains fastest first"),
        (([1.0, float("nan")], [1, 1]), "mean_service_s[1] = nan: must be a finite number"),
        (([0.0, 1.0], [1, 1]), "mean_service_s[0] = 0.0: must be a finite number"),
        (([1.0, 2.0], [1, 0]), "capacities[1] = 0.0: must be a finite number of at least 1"),
        (([1.0, 2.0], [1, 0.5]), "capacities[1] = 0.5: must be a finite number of at least 1"),
    ],
)
def test_invalid_chains_are_refused(chains, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        simulate(poisson_jobs(np.random.default_rng(73), 5, 1.0), *chains)


def test_invalid_coefficients_are_refused():
    jobs = poisson_jobs(np.random.default_rng(74), 5, 1.0)
    with pytest.raises(InputError, match=re.escape("coefficients_s = array of shape (1, 2): must have shape (1, 3)")):
        simulate(jobs, [1.0], [1], coefficients_s=[[1.0, 0.0]])
    with pytest.raises(InputError, match=re.escape("coefficients_s[1] = -1.0: must be a finite number of at least 0")):
        simulate(jobs, [1.0], [1], coefficients_s=[[1.0, -1.0, 0.0]])
