"""The compiled loop of step queues: a job in service visits the servers of its path once for every token.

A server computes one step at a time, or a stack of one-token steps, in order of arrival. Events are a step that arrives
at a server, a server that becomes free while steps wait, and the end of a job. The end of a computation is known when
it begins, so its consequences are recorded then. At one instant the events of jobs come first, in the order of their
numbers, and then those of servers, so that a server that becomes free sees all steps that have arrived. Such instants
are common: jobs with equal steps follow each other at the pace of the slowest server, where one arrives just as the
step before it ends.
"""

# mypy: disable-error-code="no-untyped-def"

from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, types
from numpy.typing import NDArray

from evaluators.admission.chains import CHAINS, Chains
from evaluators.admission.core import arrive, decide, held_by, leave, needs_room, next_look_s, write_path
from evaluators.admission.heap import HEAP, Heap, empty_heap, pop, push
from evaluators.admission.queues import QUEUES, Queues, append, empty_queues, take_first
from evaluators.admission.routes_state import ROUTES, Routes
from evaluators.simulation.answers import FINISHED, IS_UNSTABLE, NEEDS_ROOM
from evaluators.simulation.stability import is_seen_unstable
from system.code.compiler import compiled, entry
from system.code.signatures import AnswerError
from system.dispatch import DISPATCH
from system.routing import DELAY
from system.service.linear_law import STEP, prompt_s

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Speeds(NamedTuple):
    """The times of J servers, and how they compute steps."""

    communication_s: Floats  # (J, 3), coefficients of x = (1, input tokens, output tokens - 1)
    block_s: Floats  # (J, 3), coefficients of x
    settings: Floats  # of the service model's function
    factors: Floats  # of the times of successive computations; after the last the first follows again
    stacks: bool  # whether one-token steps that wait at a server are computed together
    handling_s: float  # a server's time for each step after its computation, when the job has already moved on
    model_blocks: int  # L


class Jobs(NamedTuple):
    """The path of each of n jobs, and its position on it."""

    arrival_s: Floats  # (n,)
    input_tokens: Floats  # (n,)
    further_tokens: Floats  # (n,), output tokens after the first
    server: Ints  # (n, most hops)
    blocks: Ints  # (n, most hops)
    hops: Ints  # (n,)
    hop: Ints  # (n,), the next hop; `hops` once the job has its last token
    tokens: Ints  # (n,), output tokens so far
    step_arrival_s: Floats  # (n,), when its step arrived at the present server


class Servers(NamedTuple):
    """The waiting steps and the activity of J servers."""

    queues: Queues  # J queues for n jobs
    slots_used: Ints  # (J,), by jobs whose prompt has arrived and that have not ended
    free_at_s: Floats  # (J,), when the present computation is done and handled


class StepLog(NamedTuple):
    """The results of the loop: absolute times, and parts of the jobs' service times."""

    start_s: Floats  # (n,), NaN before the start
    first_token_s: Floats  # (n,)
    end_s: Floats  # (n,), infinite before the last token is computed
    compute_s: Floats  # (n,), part of the service time; includes the steps in the same stacks
    queue_s: Floats  # (n,), part of the service time
    busy_s: Floats  # (J,)
    counts: Ints  # (2,): number of jobs that have arrived, number of computations
    answer_s: Floats  # (1,), last answer of the service model's function; NaN until it has answered


class World(NamedTuple):
    """All that an event may read or change; numbers in `events` are jobs, or n + j for server j."""

    speeds: Speeds
    jobs: Jobs
    servers: Servers
    events: Heap
    record: StepLog


_INTEGERS, _VECTOR, _MATRIX = int64[::1], float64[::1], float64[:, ::1]
_SPEEDS = types.NamedTuple((*(_MATRIX,) * 2, *(_VECTOR,) * 2, boolean, float64, int64), Speeds)
_JOBS = types.NamedTuple((*(_VECTOR,) * 3, *(int64[:, ::1],) * 2, *(_INTEGERS,) * 3, _VECTOR), Jobs)
_SERVERS = types.NamedTuple((QUEUES, _INTEGERS, _VECTOR), Servers)
_RECORD = types.NamedTuple((*(_VECTOR,) * 6, _INTEGERS, _VECTOR), StepLog)
WORLD = types.NamedTuple((_SPEEDS, _JOBS, _SERVERS, HEAP, _RECORD), World)


def empty_world(speeds: Speeds, arrival_s: Floats, lengths: Floats, most_hops: int) -> World:
    """Return the world before the first event; `lengths` (n, 2) are whole tokens."""
    n, servers = len(lengths), len(speeds.block_s)
    input_tokens, further_tokens = np.array(lengths.T, order="C")
    server, blocks = np.zeros((2, n, most_hops), np.int64)
    hops, hop, tokens = np.zeros((3, n), np.int64)
    jobs = Jobs(arrival_s, input_tokens, further_tokens, server, blocks, hops, hop, tokens, np.zeros(n))
    at_servers = Servers(empty_queues(servers, n), np.zeros(servers, np.int64), np.full(servers, -np.inf))
    times = np.full(n, np.nan), np.zeros(n), np.full(n, np.inf), np.zeros(n), np.zeros(n)
    record = StepLog(*times, np.zeros(servers), np.zeros(2, np.int64), np.zeros(1))
    return World(speeds, jobs, at_servers, empty_heap(n + servers), record)


@compiled
def _half_communication_s(job, jobs, speeds):
    """Return half of the time in which the job's step communicates with its server."""
    j = jobs.server[job, jobs.hop[job]]
    if jobs.tokens[job] > 0:
        return speeds.communication_s[j, 2] / 2
    return prompt_s(speeds.communication_s[j, 0], speeds.communication_s[j, 1], jobs.input_tokens[job]) / 2


@compiled
def _move_on(job, now_s, jobs, speeds, events, record):
    """Send a computed step back and on to the next server, token or end."""
    now_s += _half_communication_s(job, jobs, speeds)
    jobs.hop[job] += 1
    if jobs.hop[job] == jobs.hops[job]:
        jobs.tokens[job] += 1
        if jobs.tokens[job] == 1:
            record.first_token_s[job] = now_s
        if jobs.tokens[job] > jobs.further_tokens[job]:
            record.end_s[job] = now_s
            push(events, now_s, job)
            return
        jobs.hop[job] = 0
    push(events, now_s + _half_communication_s(job, jobs, speeds), job)


@compiled
def _finish(job, now_s, duration_s, jobs, speeds, events, record):
    """Record the computation of a job's step, maybe in a stack; move on."""
    record.queue_s[job] += now_s - jobs.step_arrival_s[job]
    record.compute_s[job] += duration_s
    _move_on(job, now_s + duration_s, jobs, speeds, events, record)


@compiled(inline=True)
def _computation_s(step_s, prompt_tokens, steps, blocks, j, speeds, record):
    """Return a computation's time; raise `AnswerError` if there is none."""
    record.answer_s[0] = np.nan
    record.answer_s[0] = answer_s = step_s(prompt_tokens, steps, blocks, speeds.block_s[j], speeds.settings)
    if not 0 <= answer_s < np.inf:
        raise AnswerError
    count = record.counts[1]
    record.counts[1] += 1
    return answer_s * speeds.factors[count % speeds.factors.size]


@compiled
def _compute_first(step_s, j, now_s, world):
    """Compute the step at the head of server j's queue; return its duration."""
    jobs, speeds = world.jobs, world.speeds
    job = take_first(world.servers.queues, j)
    prompt_tokens = 0.0 if jobs.tokens[job] > 0 else jobs.input_tokens[job]
    duration_s = _computation_s(step_s, prompt_tokens, 1, jobs.blocks[job, jobs.hop[job]], j, speeds, world.record)
    _finish(job, now_s, duration_s, jobs, speeds, world.events, world.record)
    return duration_s


@compiled
def _compute_stack(step_s, j, now_s, world):
    """Compute the first one-token steps of server j's queue together; return the duration.

    Their number is at most the number of steps that j's jobs would have there if all blocks took equally long.
    """
    jobs, queues, speeds = world.jobs, world.servers.queues, world.speeds
    most = max(1, -(-world.servers.slots_used[j] // speeds.model_blocks))
    count, blocks = _stack(j, most, jobs, queues)
    duration_s = _computation_s(step_s, 0.0, count, blocks, j, speeds, world.record)
    job, steps = queues.first[j], queues.length[j]
    queues.length[j] = 0
    for _ in range(steps):
        behind = queues.behind[job]
        if count > 0 and jobs.tokens[job] > 0:
            count -= 1
            _finish(job, now_s, duration_s, jobs, speeds, world.events, world.record)
        else:
            append(queues, j, job)
        job = behind
    return duration_s


@compiled
def _stack(j, most, jobs, queues):
    """Return the number of one-token steps in server j's stack, and the most blocks."""
    job, count, blocks = queues.first[j], 0, 0
    for _ in range(queues.length[j]):
        if count < most and jobs.tokens[job] > 0:
            count, blocks = count + 1, max(blocks, jobs.blocks[job, jobs.hop[job]])
        job = queues.behind[job]
    return count, blocks


@compiled
def _serve(step_s, j, now_s, world):
    """Let the free server j begin with the head of its queue."""
    queues, speeds = world.servers.queues, world.speeds
    waiting = queues.length[j]
    if speeds.stacks and world.jobs.tokens[queues.first[j]] > 0:
        duration_s = _compute_stack(step_s, j, now_s, world)
    else:
        duration_s = _compute_first(step_s, j, now_s, world)
    world.record.busy_s[j] += duration_s
    world.servers.free_at_s[j] = free_at_s = now_s + duration_s + speeds.handling_s * (waiting - queues.length[j])
    if queues.length[j] > 0:
        push(world.events, free_at_s, world.jobs.hop.size + j)


@compiled
def _arrive_at_server(job, now_s, world):
    """Queue a step; return its server to begin now, or -1."""
    jobs, servers = world.jobs, world.servers
    j = jobs.server[job, jobs.hop[job]]
    if jobs.tokens[job] == 0:
        servers.slots_used[j] += jobs.blocks[job, jobs.hop[job]]
    jobs.step_arrival_s[job] = now_s
    append(servers.queues, j, job)
    if servers.queues.length[j] > 1:
        return -1
    if now_s > servers.free_at_s[j]:
        return j
    push(world.events, servers.free_at_s[j], jobs.hop.size + j)
    return -1


@compiled
def _free_slots(job, jobs, servers):
    """Free the job's cache slots on all servers of its path."""
    for hop in range(jobs.hops[job]):
        servers.slots_used[jobs.server[job, hop]] -= jobs.blocks[job, hop]


@compiled
def _advance(step_s, world, until_s):
    """Process events until a job ends, and return it; return -1 at `until_s`."""
    events, jobs = world.events, world.jobs
    while events.size[0] > 0 and events.time_s[0] <= until_s:
        now_s = events.time_s[0]
        number = pop(events)
        j = number - jobs.hop.size
        if j < 0:
            if jobs.hop[number] == jobs.hops[number]:
                _free_slots(number, jobs, world.servers)
                return number
            j = _arrive_at_server(number, now_s, world)
        if j >= 0:
            _serve(step_s, j, now_s, world)
    return -1


def _run(rule, state, started, step_s, world, check_after):
    """Serve every job; with `check_after` above 0 stop an unstable run (`stability`)."""
    jobs, record = world.jobs, world.record
    n, arrived, answer = jobs.hop.size, record.counts[0], FINISHED
    while not needs_room(state):
        arrival_s = jobs.arrival_s[arrived] if arrived < n else np.inf
        look_s = next_look_s(state)
        now_s = min(arrival_s, look_s)
        ended = _advance(step_s, world, now_s)
        if ended >= 0:
            now_s = record.end_s[ended]
            leave(state, held_by(state, ended))
        elif now_s == np.inf:
            break
        elif arrival_s < look_s:
            arrive(state, arrived)
            arrived += 1
            record.counts[0] = arrived
            if is_seen_unstable(arrived, check_after, jobs.arrival_s, record.end_s):
                answer = IS_UNSTABLE
                break
        count = decide(rule, state, now_s, started)
        if count < 0:
            answer = count
            break
        for i in range(count):
            job = started[i]
            record.start_s[job] = now_s
            jobs.hops[job] = write_path(state, job, jobs.server[job], jobs.blocks[job])
            push(world.events, now_s + _half_communication_s(job, jobs, world.speeds), job)
    return NEEDS_ROOM if answer == FINISHED and needs_room(state) else answer


_REST = (int64[::1], types.FunctionType(STEP), WORLD, int64)
run_on_chains = entry(int64(types.FunctionType(DISPATCH), CHAINS, *_REST))(_run)
run_over_routes = entry(int64(types.FunctionType(DELAY), ROUTES, *_REST))(_run)
LOOPS = {Chains: run_on_chains, Routes: run_over_routes}  # by the state of the admission
