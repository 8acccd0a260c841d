"""The rules of the authors' simulator in the event loop, compared with a simulator that serves job by job."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from algorithms.routing.links import RoutedComposition
from algorithms.routing.petals import full_sessions_penalty, no_cache_penalty
from algorithms.routing.ws_rr import expected_wait, mean_over_present
from evaluators.admission.heap import empty_heap, pop, push
from evaluators.admission.requests import RequestAdmission, Start
from evaluators.admission.routes_state import drop_looks, looks_of
from evaluators.simulation import JobTimes, simulate_layout
from system import NotApplicableError
from system.routing import OCCUPANCIES, Routing
from system.service.independent import Independent
from system.service.steps import Steps
from tests.algorithms.test_contracts import token_jobs
from tests.evaluators.test_routed_simulation import crowded_rate_per_s, random_routed
from tests.support.oracles.instances import poisson_jobs
from tests.support.oracles.published_routes import PublishedRoutes, Rules
from tests.support.oracles.routed_simulation import bprr_scheme, petals_scheme
from tests.support.oracles.virtual_clock import VirtualClock
from workloads.jobs import Jobs

REQUEST_DELAY_S = 0.2
MEAN_JOB = np.array([[200.0, 20.0]])  # the lengths of `random_system`, which the plain simulator takes for every job
DELAYS = {
    "order_statistic": (expected_wait, bprr_scheme),
    "mean_over_present": (mean_over_present, bprr_scheme),
    "free_slots": (no_cache_penalty, petals_scheme),
    "sessions": (full_sessions_penalty, petals_scheme),
}


def settings_of(delay: str, routed: RoutedComposition) -> list[float]:
    if delay == "mean_over_present":
        system = routed.system
        return (system.communication_s + system.block_s * routed.placement.block_count).tolist()
    return {"order_statistic": [], "free_slots": [10.0], "sessions": [10.0, 2.0]}[delay]


def combinations() -> list[tuple[str, str, str, bool]]:
    """Return all combinations of delay, waiting, occupancy and foreseen waits that apply."""
    every = product(DELAYS, ("fcfs", "planned"), OCCUPANCIES, (False, True))
    are_waits = "order_statistic", "mean_over_present"
    return [
        (delay, waiting, occupancy, foreseen)
        for delay, waiting, occupancy, foreseen in every
        if not foreseen or (delay in are_waits and occupancy != "believed_without_wait")
    ]


def random_pair(
    rng: np.random.Generator, delay: str, waiting: str, occupancy: str, initial_delay_s: float, foreseen: bool = False
) -> tuple[RoutedComposition, PublishedRoutes]:
    """Return a random layout and the plain simulator of the same scheme."""
    function, scheme_of = DELAYS[delay]
    routed = random_routed(rng, scheme_of, "fcfs")
    settings, is_wait = settings_of(delay, routed), scheme_of is bprr_scheme
    rule = Routing(
        function,
        waiting,
        settings=settings,
        occupancy=occupancy,
        initial_delay_s=initial_delay_s,
        delay_is_wait=is_wait,
        foreseen=foreseen,
    )
    scheme = scheme_of(routed.system, waiting)
    rules = Rules(
        scheme.hop_s, scheme.exit_s, delay, waiting, occupancy, initial_delay_s, foreseen, REQUEST_DELAY_S * foreseen
    )
    plain = PublishedRoutes(routed.system, routed.placement, routed.slots.tolist(), rules)
    return replace(routed, rule=rule), plain


def jobs_for(rng: np.random.Generator, routed: RoutedComposition, load: float) -> Jobs:
    return replace(poisson_jobs(rng, 80, crowded_rate_per_s(routed, load)), lengths=MEAN_JOB)


@pytest.mark.parametrize(("delay", "waiting", "occupancy", "foreseen"), combinations())
def test_every_job_is_served_as_by_the_plain_simulator(delay, waiting, occupancy, foreseen):
    rng = np.random.default_rng(351)
    waited = 0
    for load in (0.5, 1.0, 2.0) * 3:
        routed, plain = random_pair(rng, delay, waiting, occupancy, float(rng.choice([0.0, 0.3])), foreseen)
        jobs = jobs_for(rng, routed, load)
        if rng.random() < 0.5:  # lengths of their own
            jobs = replace(jobs, lengths=MEAN_JOB * rng.uniform(0.5, 1.5, (len(jobs), 2)))
        service = Independent(request_delay_s=REQUEST_DELAY_S * foreseen)
        times, served = simulate_layout(routed, jobs, service).times, plain.serve(jobs)
        assert times.waiting_s == pytest.approx([job.start_s for job in served] - jobs.arrival_s, rel=1e-9, abs=1e-9)
        assert times.response_s == pytest.approx([job.end_s for job in served] - jobs.arrival_s, rel=1e-9, abs=1e-9)
        waited += np.count_nonzero(times.waiting_s)
    assert waited > 100


def service_of(routed: RoutedComposition, jobs: Jobs) -> Callable[[Start], float]:
    """Return the time of a job on the path with which it starts."""
    communication_s, block_s = routed.system.communication_s, routed.system.block_s

    def service_s(start: Start) -> float:
        visits_s = [communication_s[hop.server] + hop.blocks * block_s[hop.server] for hop in start.path]
        return float(jobs.size[start.job] * sum(visits_s))

    return service_s


def waiting_s(routed: RoutedComposition, jobs: Jobs, **changes: object) -> np.ndarray:
    times: JobTimes = simulate_layout(replace(routed, rule=replace(routed.rule, **changes)), jobs).times
    return times.waiting_s


@pytest.mark.parametrize("change", [{"waiting": "planned"}, {"occupancy": "believed"}, {"foreseen": True}])
def test_each_rule_changes_the_waits(change):
    """Change one rule at a time, as the comparison above could pass without it."""
    rng = np.random.default_rng(352)
    changed = 0
    for _ in range(5):
        routed, _ = random_pair(rng, "order_statistic", "fcfs", "present", 0.0)
        jobs = jobs_for(rng, routed, 1.0)
        changed += not np.array_equal(waiting_s(routed, jobs), waiting_s(routed, jobs, **change))
    assert changed > 2


@pytest.mark.parametrize("occupancy", OCCUPANCIES)
@pytest.mark.parametrize("delay", ["mean_over_present", "sessions"])
def test_requests_are_admitted_as_in_the_simulation(delay, occupancy):
    rng = np.random.default_rng(353)
    for _ in range(4):
        routed, _ = random_pair(rng, delay, "planned", occupancy, 0.1)
        jobs = jobs_for(rng, routed, 1.5)
        clock = VirtualClock(RequestAdmission(routed, jobs), jobs, service_of(routed, jobs)).run()
        starts_s = [started.at_s for started in sorted(clock.started, key=lambda started: started.start.job)]
        expected = simulate_layout(routed, jobs).times
        assert starts_s - jobs.arrival_s == pytest.approx(expected.waiting_s, rel=1e-9, abs=1e-9)


def test_steps_and_real_runs_refuse_to_foresee_ends():
    rng = np.random.default_rng(357)
    routed, _ = random_pair(rng, "order_statistic", "planned", "present", 0.0, foreseen=True)
    jobs = token_jobs(rng, 5, 1.0)
    message = "^foreseen = true: {} cannot know when jobs will end; use foreseen=false, or service=independent with "
    with pytest.raises(NotApplicableError, match=message.format("step queues")):
        simulate_layout(routed, jobs, Steps())
    with pytest.raises(NotApplicableError, match=message.format("real runs")):
        RequestAdmission(routed, jobs)


@pytest.mark.parametrize("delay", ["order_statistic", "sessions"])
@pytest.mark.parametrize("occupancy", OCCUPANCIES)
def test_jobs_over_a_lost_server_find_new_paths(delay, occupancy):
    rng = np.random.default_rng(354)
    again = 0
    for _ in range(12):
        routed, _ = random_pair(rng, delay, "planned", occupancy, 0.1)
        jobs = jobs_for(rng, routed, 3.0)
        clock = VirtualClock(RequestAdmission(routed, jobs), jobs, service_of(routed, jobs))
        clock.run(float(jobs.arrival_s[40]), int(rng.integers(len(routed.system.servers))))
        assert sorted(clock.ended + clock.given_up) == list(range(len(jobs)))
        again += len(clock.started) - len(clock.ended)
    assert again > 5


def test_jobs_without_a_path_are_no_longer_looked_at():
    rng = np.random.default_rng(356)
    looks, times_s = empty_heap(50), rng.uniform(0, 10, 50)
    for job, time_s in enumerate(times_s):
        push(looks, time_s, job)
    drop_looks(looks, list(range(0, 50, 3)))
    left = [job for job in np.argsort(times_s).tolist() if job % 3]
    assert looks_of(looks) == left
    assert [pop(looks) for _ in left] == left


def test_lists_of_jobs_that_are_only_believed_grow():
    """List far more jobs than a server has slots, each for 1,000 s."""
    rng = np.random.default_rng(355)
    routed, plain = random_pair(rng, "sessions", "planned", "believed", 1000.0)
    jobs = replace(jobs_for(rng, routed, 0.2), size=np.full(80, 1e-3))
    served = plain.serve(jobs)
    assert simulate_layout(routed, jobs).times.waiting_s == pytest.approx(
        [job.start_s for job in served] - jobs.arrival_s
    )
    assert max(np.bincount([hop.server for job in served for hop in job.path])) > 2 * routed.slots.max()
