"""Simulation with a queue of steps at each server: a job's tokens wait for those of other jobs.

Equation (2) gives a job in service the time that it would take alone, whoever else is in service. Here a server
computes one step at a time, so that jobs at the same server slow each other. A job is a step for its prompt and one for
each output token after the first; each goes over the servers of the path in order. What it communicates with a server
takes half of its time before the computation and half after it. A job that is alone takes the time of equation (2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algorithms.dispatch import Dispatch
from algorithms.routing.links import RoutedComposition
from evaluators.admission import Admission, Start, admission_of
from evaluators.simulation import steps_engine
from evaluators.simulation.routed import FEWEST_ARRIVALS
from evaluators.simulation.routed_engine import is_unstable
from evaluators.simulation.simulate import JobTimes
from system import Composition, InputError, NotApplicableError, UnstableError
from system.checks import require, require_not_negative, require_one_of
from workloads.jobs import Jobs

Batching = Literal["serial", "decode"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StepJobTimes(JobTimes):
    """Times of jobs with the parts of the service time, which is their sum.

    `output_token_s` is NaN for a job of a single token.
    """

    compute_s: Floats  # servers computed on its steps, in a stack on all of it
    queue_s: Floats  # its steps waited at servers
    communication_s: Floats


class StepRun(NamedTuple):
    """The jobs' times, and for how long each server computed."""

    times: StepJobTimes
    busy_s: Floats  # (J,)

    @property
    def utilisation(self) -> Floats:
        """(J,) share of the time from the first arrival to the last end in which each server computed."""
        times = self.times
        return self.busy_s / ((times.arrival_s + times.response_s).max() - times.arrival_s[0])


def simulate_steps(
    composed: Composition | RoutedComposition,
    jobs: Jobs,
    dispatch: Dispatch | None = None,
    batching: Batching = "serial",
    further_share: float = 0.0,
    handling_s: float = 0.0,
    slowdown: ArrayLike = 1.0,
    stop_unstable: bool = False,
) -> StepRun:
    """Serve `jobs` of whole tokens, step by step, on the paths that the scheme gives them; `dispatch` is for chains.

    Servers compute steps in the order in which these come: `serial`, one at a time; `decode`, once the first that waits
    is a step of one token, several of these together, in the time of the longest and `further_share` of it for each
    further one, and prompts alone. They are as many as the server's jobs would have there at a time if all blocks took
    equally long (slots in use over L, rounded up), so that servers of a chain work side by side, not in turn. After
    each step a server is not free for another `handling_s`, in which it sends the answer and takes in what has come;
    for the job itself that is part of its communication. Computing takes `slowdown` times as long as the servers'
    coefficients say, which may come from measurements outside a server: a number, or one for each computation in turn,
    from the first again after the last.

    Every job is served to its end; with `stop_unstable` the run ends with `UnstableError` once jobs are seen to leave
    more slowly than they come. Raises `NotApplicableError` for jobs of other sizes than 1 or parts of tokens, and
    `InputError` if the policy answers with a chain that is not there or lets jobs wait for ever.
    """
    check_whole_tokens(jobs)
    check_batching(batching, further_share)
    require_not_negative(handling_s=handling_s)
    factors = np.atleast_1d(np.asarray(slowdown, dtype=float))
    require(bool((factors > 0).all()), "slowdown", factors.min(), "must be positive")
    servers, stacks = composed.system.servers, batching == "decode"
    speeds = steps_engine.Speeds(
        servers.communication_s,
        servers.block_s,
        stacks,
        float(further_share),
        float(handling_s),
        composed.system.model.block_count,
        factors,
    )
    world = steps_engine.empty_world(speeds, np.broadcast_to(jobs.lengths, (len(jobs), 2)), composed.most_hops)
    watch = Watch(composed, jobs, world) if stop_unstable else None
    start_s = _run(world, admission_of(composed, dispatch, jobs), jobs, watch)
    stranded = int(np.isnan(start_s).sum())
    if stranded:
        raise InputError(f"algorithm: its rules leave {stranded} jobs waiting beside idle servers")
    return StepRun(_job_times(world, jobs, start_s), world.record.busy_s)


def check_batching(batching: Batching, further_share: float) -> None:
    """Raise `InputError` unless these say how a server computes steps."""
    require_one_of(get_args(Batching), batching=batching)
    require_not_negative(further_share=further_share)
    require(further_share <= 1, "further_share", further_share, "is a share of a step's time, at most 1")


def check_whole_tokens(jobs: Jobs) -> None:
    """Raise `NotApplicableError` unless every job has size 1, a prompt and whole numbers of tokens."""
    whole = bool((jobs.lengths == np.floor(jobs.lengths)).all() and (jobs.lengths[:, 0] >= 1).all())
    if not (whole and bool((jobs.size == 1).all())):
        raise NotApplicableError(
            "workload: its jobs have parts of tokens or sizes other than 1, and steps are of whole tokens; "
            "use workload=drawn_lengths or a trace"
        )


@dataclass(frozen=True)
class Watch:
    """Looks out for an unstable run, with each doubling of the arrivals and at the last one."""

    composed: Composition | RoutedComposition
    jobs: Jobs
    world: steps_engine.World

    def __call__(self, come: int, now_s: float) -> None:
        """Raise `UnstableError` if it is time to look and jobs are seen to leave more slowly than they come."""
        looks, rest = divmod(come, self._first_look)
        is_time = come == len(self.jobs) or (rest == 0 and looks & (looks - 1) == 0)
        if is_time and is_unstable(self.jobs.arrival_s[:come], self.world.record.end_s[:come], now_s):
            raise UnstableError(self._what_is_seen(come, now_s))

    @cached_property
    def _first_look(self) -> int:
        """After how many arrivals: once the servers would have been filled ten times."""
        slots = self.composed.placement.cache_slots(self.composed.system).sum()
        return max(FEWEST_ARRIVALS, 10 * int(slots) // self.composed.system.model.block_count)

    def _what_is_seen(self, come: int, now_s: float) -> str:
        system, utilisation = self.composed.system, self.world.record.busy_s / (now_s - self.jobs.arrival_s[0])
        busiest = int(utilisation.argmax())
        return (
            f"arrival_rate_per_s = {system.arrival_rate_per_s:g}: jobs leave more slowly than they come, seen after "
            f"{come} of {len(self.jobs)}; steps wait for each other, {system.servers.name(busiest)} computed "
            f"{utilisation[busiest]:.0%} of the time; lower the rate or add servers"
        )


def _run(
    world: steps_engine.World, admission: Admission, jobs: Jobs, watch: Callable[[int, float], None] | None
) -> Floats:
    """When each job started, (n,); NaN if it never did. Ends go before looks, and these before arrivals."""
    arrival_s = [*jobs.arrival_s.tolist(), np.inf]
    start_s = np.full(len(jobs), np.nan)
    come = 0
    while True:
        now_s = min(arrival_s[come], admission.next_look_s)
        ended = steps_engine.advance(world, now_s)
        if ended >= 0:
            now_s = float(world.record.end_s[ended])
            admission.leave(ended, now_s)
        elif now_s == np.inf:
            return start_s
        elif admission.next_look_s > now_s:
            admission.arrive(come, now_s)
            come += 1
            if watch:
                watch(come, now_s)
        for start in admission.starts(now_s):
            start_s[start.job] = now_s
            _begin(world, start, now_s)


def _begin(world: steps_engine.World, start: Start, now_s: float) -> None:
    job, path = start.job, start.path
    for at, (server, _, blocks) in enumerate(path):
        world.jobs.server[job, at], world.jobs.blocks[job, at] = server, blocks
    world.jobs.hops[job] = len(path)
    steps_engine.begin(job, now_s, world)


def _job_times(world: steps_engine.World, jobs: Jobs, start_s: Floats) -> StepJobTimes:
    record, further_tokens = world.record, world.jobs.further_tokens
    communication_s = _communication_s(world)
    service_s = record.compute_s + record.queue_s + communication_s
    decoding_s = np.where(further_tokens > 0, record.end_s - record.first_token_s, np.nan)
    return StepJobTimes(
        jobs.arrival_s,
        start_s - jobs.arrival_s,
        service_s,
        record.first_token_s - jobs.arrival_s,
        decoding_s / np.maximum(further_tokens, 1),
        record.compute_s,
        record.queue_s,
        communication_s,
    )


def _communication_s(world: steps_engine.World) -> Floats:
    """(n,) what each job communicated with the servers of its path."""
    progress = world.jobs
    is_hop = np.arange(progress.server.shape[1]) < progress.hops[:, None]
    coefficients_s = (world.speeds.communication_s[progress.server] * is_hop[:, :, None]).sum(axis=1)
    x = np.column_stack([np.ones(len(is_hop)), progress.input_tokens, progress.further_tokens])
    return (coefficients_s * x).sum(axis=1)
