"""Simulation of jobs that slow each other, because their steps queue at the servers.

Under equation (2) a job in service takes the time that it would take alone, whatever other jobs are in service. Here a
server computes one step at a time, so that jobs at the same server slow each other. A job has a step for its prompt and
one for every output token after the first; each step visits the servers of the path in order. Half of the communication
time with a server comes before the computation and half after it. A job that is alone takes the time of equation (2).
"""

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
from evaluators.simulation import steps_loop
from evaluators.simulation.answers import IS_UNSTABLE, NEEDS_ROOM
from evaluators.simulation.jobs import first_check_of_servers, unstable_run
from system.code.compiler import suited
from system.code.signatures import AnswerError, run_error
from system.errors import InputError, NotApplicableError
from system.layout import Layout
from system.response import JobTimes, Run
from system.service.linear_law import STEP, no_time
from system.service.model import ServiceModel, require_batching
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
    `UnstableError` once jobs leave more slowly than they come. The parts of the service time are `compute` (for a stack
    of steps, the time of the whole stack), `queue` (at servers) and `communication`. Raises `NotApplicableError` for
    jobs whose size is not 1 or whose tokens are not whole numbers, and for layouts that steps cannot follow
    (`require_steps`). Raises `InputError` if the layout's rule or the service model is broken.
    """
    check_whole_tokens(jobs)
    require_steps(layout, "step queues")
    admission = admission_for(layout, jobs)
    lengths = np.broadcast_to(jobs.lengths, (len(jobs), 2))
    speeds = speeds_of(layout, service, rng)
    world = steps_loop.empty_world(speeds, jobs.arrival_s, lengths, layout.most_hops)
    check_after = first_check_of_servers(layout) if stop_unstable else 0
    answer = _run(admission, service, world, check_after)
    check_rule(answer, admission)
    arrived, started = int(world.record.counts[0]), int(np.isfinite(world.record.start_s).sum())
    if answer == IS_UNSTABLE and started > 0:
        raise unstable_run(layout, arrived, len(jobs), _busiest(layout, world))
    check_all_started(started, arrived, admission)
    times = _job_times(world, jobs, served_by(admission))
    if len(jobs) == 0:
        return Run(times)
    span_s = (times.arrival_s + times.response_s).max() - times.arrival_s[0]
    return Run(times, world.record.busy_s / span_s)


def speeds_of(layout: Layout, service: ServiceModel, rng: np.random.Generator | None) -> steps_loop.Speeds:
    """Return the loop's view of the servers and the service model."""
    require_batching(service.batching)
    servers = layout.system.servers
    times = servers.communication_s, servers.block_s, service.settings, service.factors(rng)
    blocks = layout.system.model.block_count
    return steps_loop.Speeds(*times, service.batching == "decode", float(service.handling_s), blocks)


def check_whole_tokens(jobs: Jobs) -> None:
    """Raise `NotApplicableError` unless jobs have size 1, a prompt and whole tokens."""
    whole = bool((jobs.lengths == np.floor(jobs.lengths)).all() and (jobs.lengths[:, 0] >= 1).all())
    if not (whole and bool((jobs.size == 1).all())):
        raise NotApplicableError(
            "workload: its jobs have parts of tokens or sizes other than 1, but steps need whole tokens; "
            "use workload=drawn_lengths or a trace"
        )


def _run(admission: Admission, service: ServiceModel, world: steps_loop.World, check_after: int) -> int:
    """Run the loop to its end; return its answer."""
    loop, step_s = steps_loop.LOOPS[type(admission.state)], suited(service.step_s, STEP)
    try:
        while (answer := loop(*admission, step_s, world, check_after)) == NEEDS_ROOM:
            admission = with_more_room(admission)
    except Exception as error:
        raise _error(admission, step_s, float(world.record.answer_s[0]), error) from error
    return int(answer)


def _error(admission: Admission, step_s: Any, answer_s: float, error: Exception) -> InputError:
    """Return the error for the function that stopped the loop.

    It is the rule if the last answer of the service model, `answer_s`, is a time.
    """
    if 0 <= answer_s < np.inf:
        return rule_error(admission, error)
    if isinstance(error, AnswerError):
        return no_time(step_s, answer_s)
    return run_error("service", step_s.__name__, error)


def _busiest(layout: Layout, world: steps_loop.World) -> str:
    """Say which server was busiest up to the last arrival, and what helps."""
    arrived = int(world.record.counts[0])
    utilisation = world.record.busy_s / (world.jobs.arrival_s[arrived - 1] - world.jobs.arrival_s[0])
    busiest = int(utilisation.argmax())
    name = layout.system.servers.name(busiest)
    return (
        f"steps wait for each other, and {name} computed {utilisation[busiest]:.0%} of the time; lower the rate or "
        "add servers"
    )


def _job_times(world: steps_loop.World, jobs: Jobs, by: dict[str, Any]) -> JobTimes:
    record, further_tokens = world.record, world.jobs.further_tokens
    communication_s = _communication_s(world)
    decoding_s = np.where(further_tokens > 0, record.end_s - record.first_token_s, np.nan)
    return JobTimes(
        jobs.arrival_s,
        record.start_s - jobs.arrival_s,
        record.compute_s + record.queue_s + communication_s,
        record.first_token_s - jobs.arrival_s,
        decoding_s / np.maximum(further_tokens, 1),
        parts={"compute": record.compute_s, "queue": record.queue_s, "communication": communication_s},
        **by,
    )


def _communication_s(world: steps_loop.World) -> Floats:
    """Return (n,) the communication time of each job with the servers of its path."""
    jobs = world.jobs
    is_hop = np.arange(jobs.server.shape[1]) < jobs.hops[:, None]
    coefficients_s = (world.speeds.communication_s[jobs.server] * is_hop[:, :, None]).sum(axis=1)
    x = np.column_stack([np.ones(len(is_hop)), jobs.input_tokens, jobs.further_tokens])
    return (coefficients_s * x).sum(axis=1)
