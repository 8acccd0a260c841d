"""Simulation of jobs that slow each other, because their steps share the servers.

Under equation (2) a job in service takes the time that it would take alone, whatever other jobs are in service. Here a
server computes one step or one batch of steps at a time, so that jobs at the same server slow each other. A job has a
step for its prompt, or for each chunk of it, and one for every output token after the first; each step visits the
servers of the path in order. Half of the communication time with a server comes before the computation and half after
it. A job that is alone takes the time of equation (2).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.admission.start import (
    Admission,
    admission_for,
    check_all_started,
    check_rule,
    require_steps,
    rule_error,
    served_by,
    with_more_room,
)
from evaluators.simulation.answers import IS_UNSTABLE, NEEDS_ROOM
from evaluators.simulation.jobs import first_check_of_servers, unstable_run
from evaluators.simulation.steps import queue_loop, rounds_loop
from evaluators.simulation.steps.state import StepLog, World, empty_world, speeds_of
from system.code.compiler import suited
from system.code.signatures import AnswerError, run_error
from system.errors import InputError, NotApplicableError
from system.layout import Layout
from system.response import JobTimes, Run
from system.service.linear_law import STEP, no_time
from system.service.model import ServiceModel
from workloads.jobs import Jobs

Floats = NDArray[np.float64]


def simulate_steps(
    layout: Layout,
    jobs: Jobs,
    service: ServiceModel,
    rng: np.random.Generator | None = None,
    stop_unstable: bool = False,
) -> Run:
    """Serve `jobs` step by step on the paths that the layout's rule gives them.

    `rng` is for computations with random times. Every job is served to its end; with `stop_unstable`, raises
    `UnstableError` once jobs leave more slowly than they come. The parts of the service time are `compute` (for a batch
    of steps, the time of the whole batch), `queue` (at servers) and `communication`. Raises `NotApplicableError` for
    jobs whose size is not 1 or whose tokens are not whole numbers, and for layouts that steps cannot follow
    (`require_steps`). Raises `InputError` if the layout's rule or the service model is broken.
    """
    check_whole_tokens(jobs)
    admission = steps_admission(layout, jobs, service)
    world = steps_world(layout, jobs, service, rng, admission.started.size)
    check_after = first_check_of_servers(layout) if stop_unstable else 0
    answer = advance(admission, service, world, more_follow=False, check_after=check_after)
    check_rule(answer, admission)
    arrived, started = int(world.record.counts[0]), int(np.isfinite(world.record.start_s).sum())
    if answer == IS_UNSTABLE and started > 0:
        raise unstable_run(layout, arrived, len(jobs), _busiest(layout, world))
    check_all_started(started, arrived, admission)
    times = job_times(world.record, jobs, served_by(admission))
    if len(jobs) == 0:
        return Run(times)
    span_s = (times.arrival_s + times.response_s).max() - times.arrival_s[0]
    return Run(times, world.servers.busy_s[:-1] / span_s)


def steps_admission(layout: Layout, jobs: Jobs, service: ServiceModel) -> Admission:
    """Return the admission before the first arrival.

    Raises `NotApplicableError` for layouts that the service model cannot follow step by step.
    """
    require_steps(layout, "step queues")
    admission = admission_for(layout, jobs)
    if type(admission.state) not in _loops(service):
        raise NotApplicableError(
            f"service = {type(service).__name__}: needs chains, but every job has a path of its own here; use "
            "service=steps or an algorithm with chains"
        )
    return admission


def steps_world(
    layout: Layout, jobs: Jobs, service: ServiceModel, rng: np.random.Generator | None, slot_count: int
) -> World:
    """Return the world before the first event, under a service model.

    At most `slot_count` jobs are in service at once.
    """
    chains = len(layout.composition()) if service.loop == "rounds" else 0
    return empty_world(speeds_of(layout, service, rng), jobs, slot_count, layout.most_hops, chains)


def check_whole_tokens(jobs: Jobs) -> None:
    """Raise `NotApplicableError` unless jobs have size 1, a prompt and whole tokens."""
    whole = bool((jobs.lengths == np.floor(jobs.lengths)).all() and (jobs.lengths[:, 0] >= 1).all())
    if not (whole and bool((jobs.size == 1).all())):
        raise NotApplicableError(
            "workload: its jobs have parts of tokens or sizes other than 1, but steps need whole tokens; "
            "use workload=drawn_lengths or a trace"
        )


def advance(admission: Admission, service: ServiceModel, world: World, more_follow: bool, check_after: int = 0) -> int:
    """Run the loop of a service model; return its answer.

    If more jobs follow, it runs only up to the last arrival.
    """
    loop, step_s = _loops(service)[type(admission.state)], suited(service.step_s, STEP)
    try:
        while (answer := loop(*admission, step_s, world, more_follow, check_after)) == NEEDS_ROOM:
            admission = with_more_room(admission)
    except Exception as error:
        raise _error(admission, step_s, float(world.record.answer_s[0]), error) from error
    return int(answer)


def _loops(service: ServiceModel) -> Mapping[type[Any], Any]:
    """Return the loops of a service model by the state of the admission."""
    return rounds_loop.LOOPS if service.loop == "rounds" else queue_loop.LOOPS


def _error(admission: Admission, step_s: Any, answer_s: float, error: Exception) -> InputError:
    """Return the error for the function that stopped the loop.

    It is the rule if the last answer of the service model, `answer_s`, is a time.
    """
    if 0 <= answer_s < np.inf:
        return rule_error(admission, error)
    if isinstance(error, AnswerError):
        return no_time(step_s, answer_s)
    return run_error("service", step_s.__name__, error)


def _busiest(layout: Layout, world: World) -> str:
    """Say which server was busiest up to the last arrival, and what helps."""
    arrival_s = world.requests.arrival_s[: int(world.record.counts[0])]
    ahead_s = np.maximum(world.servers.free_at_s - arrival_s[-1], 0.0)  # of computations that had begun or were queued
    utilisation = ((world.servers.busy_s - ahead_s) / (arrival_s[-1] - arrival_s[0]))[:-1]
    busiest = int(utilisation.argmax())
    name = layout.system.servers.name(busiest)
    return (
        f"steps wait for each other, and {name} computed {utilisation[busiest]:.0%} of the time; lower the rate or "
        "add servers"
    )


def job_times(record: StepLog, jobs: Jobs, by: dict[str, Any]) -> JobTimes:
    """Return the times of jobs that have ended."""
    further_tokens = np.broadcast_to(jobs.lengths, (len(jobs), 2))[:, 1]
    service_s = record.end_s - record.start_s
    decoding_s = np.where(further_tokens > 0, record.end_s - record.first_token_s, np.nan)
    communication_s = np.maximum(service_s - record.compute_s - record.queue_s, 0.0)
    return JobTimes(
        jobs.arrival_s,
        record.start_s - jobs.arrival_s,
        service_s,
        record.first_token_s - jobs.arrival_s,
        decoding_s / np.maximum(further_tokens, 1),
        parts={"compute": record.compute_s, "queue": record.queue_s, "communication": communication_s},
        **by,
    )
