"""Admission called from Python, one event at a time: every job equals that of the simulators to the last bit."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from algorithms.dispatch.least_work import least_work_dispatch
from algorithms.dispatch.thresholds import thresholds_dispatch
from algorithms.routing.links import RoutedComposition
from evaluators.admission.requests import Hop, Path, RequestAdmission, Start
from evaluators.simulation import simulate_layout
from system import Composition, InputError
from system.layout import Layout
from system.routing import WAITING
from tests.algorithms.test_dispatch import DISPATCHES
from tests.algorithms.test_least_work import plain_least_work
from tests.evaluators.test_routed_simulation import SCHEMES, crowded_rate_per_s, random_routed
from tests.support.oracles.instances import chains_of, poisson_jobs, uneven_jobs
from tests.support.oracles.virtual_clock import Started, VirtualClock
from workloads.jobs import Jobs

POLICIES = {
    **DISPATCHES,
    "least_work": least_work_dispatch(),
    "thresholds": thresholds_dispatch(lambda chains: np.arange(len(chains))),
}


def equation_2_s(coefficients_s: np.ndarray, jobs: Jobs, job: int) -> float:
    """Return the service time from coefficients (3,).

    The terms are added in the order of the compiled simulators.
    """
    input_tokens, further_tokens = jobs.lengths[job if len(jobs.lengths) > 1 else 0]
    size, (once_s, input_s, further_s) = jobs.size[job], coefficients_s
    return size * (once_s + input_s * input_tokens) + size * further_s * further_tokens


def in_order(clock: VirtualClock) -> list[Started]:
    """Return the starts by job number; every job must have started once."""
    return sorted(clock.started, key=lambda started: started.start.job)


def column(starts: list[Started], name: str) -> np.ndarray:
    return np.array([getattr(started, name) for started in starts])


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("jobs_of", [poisson_jobs, uneven_jobs])
def test_jobs_start_on_chains_as_in_the_compiled_simulator(name, jobs_of):
    rng, dispatch = np.random.default_rng(401), POLICIES[name]
    waited = 0
    for load in (0.6, 0.9, 1.3):
        composition = chains_of(rng).under(dispatch)
        jobs = jobs_of(rng, 400, load * composition.total_rate_per_s)
        coefficients_s = composition.job_coefficients_s
        simulated = simulate_layout(composition, jobs).times

        def service_s(start: Start, jobs=jobs, coefficients_s=coefficients_s) -> float:
            return equation_2_s(coefficients_s[start.chain], jobs, start.job)

        starts = in_order(VirtualClock(RequestAdmission(composition, jobs), jobs, service_s).run())
        chain = np.array([started.start.chain for started in starts])
        assert (column(starts, "at_s") - jobs.arrival_s).tobytes() == simulated.waiting_s.tobytes()
        assert column(starts, "service_s").tobytes() == simulated.service_s.tobytes()
        assert (chain == simulated.chain).all()
        assert all(started.start.path == path_of(composition, started.start.chain) for started in starts)
        waited += np.count_nonzero(simulated.waiting_s)
    assert waited > 50


def path_of(composition: Composition, k: int) -> tuple[Hop, ...]:
    chain, placement = composition.chain(k), composition.placement
    hops = zip(chain.servers, chain.blocks, strict=True)
    return tuple(Hop(j, int(placement.end_block[j]) - blocks, blocks) for j, blocks in hops)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("waiting", WAITING)
@pytest.mark.parametrize("jobs_of", [poisson_jobs, uneven_jobs])
def test_jobs_start_on_paths_as_in_the_compiled_simulator(name, waiting, jobs_of):
    rng = np.random.default_rng(402)
    waited = 0
    for load in (0.5, 1.0, 2.0) * 2:
        composition = random_routed(rng, SCHEMES[name], waiting)
        jobs = jobs_of(rng, 120, crowded_rate_per_s(composition, load))
        servers = composition.system.servers

        def service_s(start: Start, jobs=jobs, servers=servers) -> float:
            hops = [servers.communication_s[j] + blocks * servers.block_s[j] for j, _, blocks in start.path]
            return equation_2_s(np.cumsum(hops, axis=0)[-1], jobs, start.job)

        starts = in_order(VirtualClock(RequestAdmission(composition, jobs), jobs, service_s).run())
        simulated = simulate_layout(composition, jobs).times
        assert (column(starts, "at_s") - jobs.arrival_s).tobytes() == simulated.waiting_s.tobytes()
        assert column(starts, "service_s").tobytes() == simulated.service_s.tobytes()
        for started in starts:
            assert_runs_every_block(composition, started.start.path)
        waited += np.count_nonzero(simulated.waiting_s)
    assert waited > 100


def assert_runs_every_block(composition: RoutedComposition, path: Path) -> None:
    """Check that a path runs every block once and in order.

    Every block must run on a server that hosts it.
    """
    placement = composition.placement
    assert [block for _, first, blocks in path for block in range(first, first + blocks)] == list(
        range(composition.system.model.block_count)
    )
    for j, first, blocks in path:
        assert placement.first_block[j] <= first
        assert first + blocks == placement.end_block[j]


def crowded_systems(seed: int) -> Iterator[tuple[Layout, Jobs]]:
    """Yield chains under every policy, and routes under every scheme and waiting rule.

    They come with jobs whose size is their service time.
    """
    rng = np.random.default_rng(seed)
    for dispatch in POLICIES.values():
        chains = chains_of(rng).under(dispatch)
        jobs = poisson_jobs(rng, 50, 1.2 * chains.total_rate_per_s)
        yield chains, replace(jobs, size=jobs.size * chains.total_capacity / chains.total_rate_per_s)
    for name, waiting in product(SCHEMES, WAITING):
        routed = random_routed(rng, SCHEMES[name], waiting)
        jobs = poisson_jobs(rng, 50, crowded_rate_per_s(routed, 1.0))
        yield routed, replace(jobs, size=jobs.size * routed.mean_service_s.mean() * routed.most_hops)


def held_at(clock: VirtualClock, at_s: float, server: int) -> int:
    """Return the slots that jobs hold on a server just after an instant.

    No job may have been interrupted.
    """
    held = [started.start.path for started in clock.started if started.at_s <= at_s < started.at_s + started.service_s]
    return sum(hop.blocks for path in held for hop in path if hop.server == server)


def size_s(jobs: Jobs) -> Callable[[Start], float]:
    """Return a function that gives every job its size in seconds as service time."""
    return lambda start: float(jobs.size[start.job])


def starts_of(admission: RequestAdmission, jobs: Jobs) -> list[Start]:
    """Return the starts, in order, of jobs that arrive long after all earlier ones."""
    later = replace(jobs, arrival_s=jobs.arrival_s + 1e6)
    return [started.start for started in VirtualClock(admission, later, size_s(jobs)).run().started]


def test_slots_are_never_assigned_twice_and_all_are_freed():
    for layout, jobs in crowded_systems(403):
        admission, fresh = (RequestAdmission(layout, jobs) for _ in range(2))
        clock = VirtualClock(admission, jobs, size_s(jobs)).run()
        for started in clock.started:
            assert all(held_at(clock, started.at_s, j) <= layout.slots_used()[j] for j, _, _ in started.start.path)
        assert sorted(clock.ended) == list(range(len(jobs)))
        assert starts_of(admission, jobs) == starts_of(fresh, jobs)


def test_lost_server_is_avoided_and_no_job_is_forgotten():
    continued = stopped = interrupted = 0
    for layout, jobs in crowded_systems(404):
        for lost in np.flatnonzero(layout.slots_used()).tolist():
            at_s = float(jobs.arrival_s[30])
            admission, fresh = (RequestAdmission(layout, jobs) for _ in range(2))
            clock = VirtualClock(admission, jobs, size_s(jobs)).run(at_s, lost)
            after = [started.start for started in clock.started if started.at_s > at_s]
            assert all(hop.server != lost for start in after for hop in start.path)
            assert sorted(clock.ended + clock.given_up) == list(range(len(jobs)))
            assert not (after and clock.given_up)
            assert fresh.lose_server(lost) == []
            assert clock.given_up or starts_of(admission, jobs) == starts_of(fresh, jobs)
            continued += bool(after)
            stopped += bool(clock.given_up)
            interrupted += len(clock.started) > len(clock.ended)
    assert min(continued, stopped, interrupted) >= 5


def busy_before(clock: VirtualClock, index: int, chains: Composition, is_lost: Callable[[Start], bool]) -> np.ndarray:
    """Return (K,) the jobs on each chain before a start."""
    now_s, busy = clock.started[index].at_s, np.zeros(len(chains), np.int64)
    for started in clock.started[:index]:
        busy[started.start.chain] += started.at_s + started.service_s > now_s and not is_lost(started.start)
    return busy


def test_a_policy_that_is_prepared_for_a_layout_is_prepared_again_for_the_chains_that_remain():
    """Compare each start after a loss with the rule in plain Python."""
    rng, after, differs = np.random.default_rng(406), 0, 0
    for _ in range(40):
        chains = chains_of(rng).under(POLICIES["least_work"])
        jobs = poisson_jobs(rng, 60, 0.8 * chains.total_rate_per_s)
        jobs = replace(jobs, size=jobs.size * chains.total_capacity / chains.total_rate_per_s)
        lost = int(chains.hop_server[0])
        remaining = [k for k in range(len(chains)) if lost not in chains.chain(k).servers]
        at_s = float(jobs.arrival_s[20])
        clock = VirtualClock(RequestAdmission(chains, jobs), jobs, size_s(jobs)).run(at_s, lost)
        for index, started in enumerate(clock.started):
            if started.at_s > at_s:
                busy = busy_before(clock, index, chains, lambda start, kept=remaining: start.chain not in kept)
                assert started.start.chain == plain_least_work(chains, busy, remaining)
                differs += started.start.chain != next(k for k in remaining if busy[k] < chains.capacity[k])
                after += 1
    assert after > 100
    assert differs > 20


def test_chains_need_a_policy():
    composition = chains_of(np.random.default_rng(405))
    with pytest.raises(InputError, match=r"^rule = None: "):
        RequestAdmission(composition, poisson_jobs(np.random.default_rng(405), 1, 1.0))


def test_withdrawn_jobs_never_start_and_the_others_all_do():
    """Check queues of which every second job is withdrawn."""
    withdrawn_count = 0
    for layout, jobs in crowded_systems(407):
        admission = RequestAdmission(layout, jobs)
        for job in range(len(jobs)):
            admission.arrive(job)
        present = [start.job for start in admission.starts(0.0)]
        gone = [job for job in range(len(jobs)) if job not in present][::2]
        for job in gone:
            admission.withdraw(job)
        served, now_s = [], 0.0
        while present or admission.next_look_s < np.inf:
            now_s = max(now_s + 1.0, admission.next_look_s if not present else 0.0)
            if present:
                served.append(present.pop(0))
                admission.leave(served[-1])
            present += [start.job for start in admission.starts(now_s)]
        assert sorted(served + gone) == list(range(len(jobs)))
        withdrawn_count += len(gone)
    assert withdrawn_count > 100


@pytest.mark.parametrize("name", ["random_free", "jffc"])
def test_numbers_that_are_used_again_change_no_decision(name):
    """Compare 300 numbers for 300 jobs with twelve that are renewed."""
    rng = np.random.default_rng(408)
    chains = chains_of(rng).under(POLICIES[name])
    jobs, few = poisson_jobs(rng, 300, 1.0), poisson_jobs(rng, 12, 1.0)
    fresh, renewed = RequestAdmission(chains, jobs), RequestAdmission(chains, few)
    free, number_of, present, differs = list(range(12)), {}, [], 0
    for job in range(300):
        number_of[job] = free.pop(0)
        renewed.renew(number_of[job], float(jobs.uniform[job]))
        fresh.arrive(job)
        renewed.arrive(number_of[job])
        decided, again = fresh.starts(float(job)), renewed.starts(float(job))
        assert [(number_of[start.job], start.chain) for start in decided] == [
            (start.job, start.chain) for start in again
        ]
        differs += any(start.job != number_of[start.job] for start in decided)
        present += [start.job for start in decided]
        if len(number_of) == 12:
            gone = present.pop(int(rng.integers(len(present))))
            fresh.leave(gone)
            renewed.leave(number_of[gone])
            free.append(number_of.pop(gone))
    assert differs > 100
