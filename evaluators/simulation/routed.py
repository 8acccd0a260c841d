"""Simulation of schemes that route each job over the servers."""

import numpy as np

from algorithms.routing import WAITING
from algorithms.routing.links import RoutedComposition
from algorithms.routing.shortest_path import shortest_path
from evaluators.simulation import routed_engine
from evaluators.simulation.simulate import JobTimes
from system import InputError, UnstableError
from workloads.jobs import Jobs

FEWEST_ARRIVALS = 1000


def simulate_routed(composition: RoutedComposition, jobs: Jobs, stop_unstable: bool = True) -> JobTimes:
    """Serve `jobs` on the paths that the composition's routing finds for them.

    Raises `UnstableError` as soon as jobs are seen to leave more slowly than they come (`is_unstable`); without
    `stop_unstable` every job is served to its end.
    """
    n, routing = len(jobs), composition.routing
    record = routed_engine.Record(np.empty(n), np.empty(n), np.empty(n), np.empty(n))
    first_look = _first_look(composition) if stop_unstable else 0
    waiting = WAITING.index(routing.waiting)
    rule = routed_engine.Rule(waiting, float(routing.refresh_s), first_look, composition.most_hops)
    arrivals = routed_engine.Arrivals(jobs.arrival_s, jobs.size, jobs.lengths, jobs.uniform)
    stopped = routed_engine.run(shortest_path, routing.delay, arrivals, _network(composition), rule, record)
    if stopped < 0:
        raise InputError(f"delay = {routing.delay.__name__}: leaves a job without a path; it must be finite somewhere")
    if stopped > 0:
        rate = composition.system.arrival_rate_per_s
        raise UnstableError(
            f"arrival_rate_per_s = {rate:g}: jobs leave more slowly than they come, seen after {stopped} of {n}; "
            "lower the rate or add servers"
        )
    return JobTimes(jobs.arrival_s, *record)


def _first_look(composition: RoutedComposition) -> int:
    """After how many arrivals a run may be called unstable: when the servers would have been filled ten times.

    Every job in service holds a slot for each block, so this bounds how many there can be.
    """
    most_jobs = int(composition.slots.sum()) // composition.system.model.block_count
    return max(FEWEST_ARRIVALS, 10 * most_jobs)


def _network(composition: RoutedComposition) -> routed_engine.Network:
    return routed_engine.Network(
        *composition.links,
        composition.cost_s,
        composition.job_coefficients_s,
        composition.mean_service_s,
        composition.exit_s,
        composition.placement.block_count,
        composition.slots,
        composition.routing.settings,
    )


def is_unstable(times: JobTimes) -> bool:
    """Whether, in the last half of the time in which jobs came, fewer left than came, at 99 % confidence."""
    return bool(routed_engine.is_unstable(times.arrival_s, times.arrival_s + times.response_s, times.arrival_s[-1]))
