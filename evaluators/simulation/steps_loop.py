"""The compiled loop of step queues: jobs in service visit the servers of their paths once for each token.

A server computes one step at a time, or a stack of one-token steps, in the order in which they come. Events are a step
that comes to a server, a server that gets free while steps wait, and the end of a job. When a computation begins it is
known when it ends, so what follows from it is written down then. At one instant jobs come first, in the order of their
numbers, and then servers, so that one that gets free sees all that came. Such instants are no rarity: jobs of equal
steps follow each other at the pace of the slowest server, one coming just as it is done with the other.
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
from system.dispatch import DISPATCH
from system.routing import DELAY
from system.service.linear_law import STEP, prompt_s

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Speeds(NamedTuple):
    """Times of J servers as coefficients of x = (1, input tokens, output tokens - 1), and how they compute steps."""

    communication_s: Floats  # (J, 3)
    block_s: Floats  # (J, 3)
    settings: Floats  # of the service model's function
    factors: Floats  # of the times of one computation after the other; after the last again from the first
    stacks: bool  # whether one-token steps that wait at a server are computed together
    handling_s: float  # that a server takes for each step after its computation, while the job has gone on
    model_blocks: int  # L


class Jobs(NamedTuple):
    """Of each job: its path, and where it is on it."""

    arrival_s: Floats  # (n,)
    input_tokens: Floats  # (n,)
    further_tokens: Floats  # (n,), output tokens after the first
    server: Ints  # (n, most hops)
    blocks: Ints  # (n, most hops)
    hops: Ints  # (n,)
    hop: Ints  # (n,), the hop that it comes to next; `hops` once it has its last token
    tokens: Ints  # (n,), output tokens that it has
    came_s: Floats  # (n,), when its step came to the server at which it is


class Servers(NamedTuple):
    """Of each server the steps that wait there, and what it is at."""

    queues: Queues  # J of n jobs
    slots_used: Ints  # (J,), of jobs whose prompt has come and that have not ended
    free_at_s: Floats  # (J,), when what it computes is done and handled


class StepLog(NamedTuple):
    """What the loop writes: absolute times, but for the parts of a job's time in service."""

    start_s: Floats  # (n,), NaN before
    first_token_s: Floats  # (n,)
    end_s: Floats  # (n,), infinite before its last token is computed
    compute_s: Floats  # (n,), steps that it is stacked with included
    queue_s: Floats  # (n,)
    busy_s: Floats  # (J,)
    counts: Ints  # (2,): jobs that have arrived, computations


class World(NamedTuple):
    """All that an event may look at or change. Numbers in `events` are jobs, or n + j for server j."""

    speeds: Speeds
    jobs: Jobs
    servers: Servers
    events: Heap
    record: StepLog


_INTEGERS, _VECTOR, _MATRIX = int64[::1], float64[::1], float64[:, ::1]
WORLD = types.NamedTuple(
    (
        types.NamedTuple((*(_MATRIX,) * 2, *(_VECTOR,) * 2, boolean, float64, int64), Speeds),
        types.NamedTuple((*(_VECTOR,) * 3, *(int64[:, ::1],) * 2, *(_INTEGERS,) * 3, _VECTOR), Jobs),
        types.NamedTuple((QUEUES, _INTEGERS, _VECTOR), Servers),
        HEAP,
        types.NamedTuple((*(_VECTOR,) * 6, _INTEGERS), StepLog),
    ),
    World,
)


def empty_world(speeds: Speeds, arrival_s: Floats, lengths: Floats, most_hops: int) -> World:
    """Return the world before the first event; `lengths` (n, 2) are whole numbers of tokens."""
    n, servers = len(lengths), len(speeds.block_s)
    input_tokens, further_tokens = np.array(lengths.T, order="C")
    server, blocks = np.zeros((2, n, most_hops), np.int64)
    hops, hop, tokens = np.zeros((3, n), np.int64)
    jobs = Jobs(arrival_s, input_tokens, further_tokens, server, blocks, hops, hop, tokens, np.zeros(n))
    at_servers = Servers(empty_queues(servers, n), np.zeros(servers, np.int64), np.full(servers, -np.inf))
    times = np.full(n, np.nan), np.zeros(n), np.full(n, np.inf), np.zeros(n), np.zeros(n)
    record = StepLog(*times, np.zeros(servers), np.zeros(2, np.int64))
    return World(speeds, jobs, at_servers, empty_heap(n + servers), record)


@compiled
def _half_communication_s(job, jobs, speeds):
    """Return half of what the job's step communicates with the server of its hop."""
    j = jobs.server[job, jobs.hop[job]]
    if jobs.tokens[job] > 0:
        return speeds.communication_s[j, 2] / 2
    return prompt_s(speeds.communication_s[j, 0], speeds.communication_s[j, 1], jobs.input_tokens[job]) / 2


@compiled
def _go_on(job, now_s, jobs, speeds, events, record):
    """Send a step that is computed back, and on to the next server, the next token, or the end."""
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
    """Note a computation of a job's step, maybe with others, and go on after it."""
    record.queue_s[job] += now_s - jobs.came_s[job]
    record.compute_s[job] += duration_s
    _go_on(job, now_s + duration_s, jobs, speeds, events, record)


@compiled
def _factor(speeds, record):
    """Return the factor of the next computation."""
    count = record.counts[1]
    record.counts[1] += 1
    return speeds.factors[count % speeds.factors.size]


@compiled
def _compute_first(step_s, j, now_s, world):
    """Compute the step at the head of server j's queue; return for how long."""
    jobs, speeds = world.jobs, world.speeds
    job = take_first(world.servers.queues, j)
    prompt_tokens = 0.0 if jobs.tokens[job] > 0 else jobs.input_tokens[job]
    blocks = jobs.blocks[job, jobs.hop[job]]
    duration_s = step_s(prompt_tokens, 1, blocks, speeds.block_s[j], speeds.settings) * _factor(speeds, world.record)
    _finish(job, now_s, duration_s, jobs, speeds, world.events, world.record)
    return duration_s


@compiled
def _compute_stack(step_s, j, now_s, world):
    """Compute the first one-token steps of server j's queue together; return for how long.

    They are as many as its jobs would have there if all blocks took equally long.
    """
    jobs, queues, speeds = world.jobs, world.servers.queues, world.speeds
    most = max(1, -(-world.servers.slots_used[j] // speeds.model_blocks))
    count, blocks = _stack(j, most, jobs, queues)
    duration_s = step_s(0.0, count, blocks, speeds.block_s[j], speeds.settings) * _factor(speeds, world.record)
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
    """Return how many one-token steps of server j's queue are stacked, and the most blocks that one of them runs."""
    job, count, blocks = queues.first[j], 0, 0
    for _ in range(queues.length[j]):
        if count < most and jobs.tokens[job] > 0:
            count, blocks = count + 1, max(blocks, jobs.blocks[job, jobs.hop[job]])
        job = queues.behind[job]
    return count, blocks


@compiled
def _serve(step_s, j, now_s, world):
    """Begin with the head of server j's queue, as the server is free."""
    queues, speeds = world.servers.queues, world.speeds
    waiting = queues.length[j]
    if speeds.stacks and world.jobs.tokens[queues.first[j]] > 0:
        duration_s = _compute_stack(step_s, j, now_s, world)
    else:
        duration_s = _compute_first(step_s, j, now_s, world)
    world.record.busy_s[j] += duration_s
    free_at_s = now_s + duration_s + speeds.handling_s * (waiting - queues.length[j])
    world.servers.free_at_s[j] = free_at_s
    if queues.length[j] > 0:
        push(world.events, free_at_s, world.jobs.hop.size + j)


@compiled
def _come(job, now_s, world):
    """Queue a step at the server of its hop; return that server if it is to begin at once, else -1."""
    jobs, servers = world.jobs, world.servers
    j = jobs.server[job, jobs.hop[job]]
    if jobs.tokens[job] == 0:
        servers.slots_used[j] += jobs.blocks[job, jobs.hop[job]]
    jobs.came_s[job] = now_s
    append(servers.queues, j, job)
    if servers.queues.length[j] > 1:
        return -1
    if now_s > servers.free_at_s[j]:
        return j
    push(world.events, servers.free_at_s[j], jobs.hop.size + j)
    return -1


@compiled
def _leave(job, jobs, servers):
    """Free the job's slots."""
    for hop in range(jobs.hops[job]):
        servers.slots_used[jobs.server[job, hop]] -= jobs.blocks[job, hop]


@compiled
def _advance(step_s, world, until_s):
    """Let steps happen until a job ends, or to `until_s`; return that job, or -1."""
    events, jobs = world.events, world.jobs
    while events.size[0] > 0 and events.time_s[0] <= until_s:
        now_s = events.time_s[0]
        number = pop(events)
        j = number - jobs.hop.size
        if j < 0:
            if jobs.hop[number] == jobs.hops[number]:
                _leave(number, jobs, world.servers)
                return number
            j = _come(number, now_s, world)
        if j >= 0:
            _serve(step_s, j, now_s, world)
    return -1


def _run(rule, state, started, step_s, world, first_look):
    """Serve every job to its end; with `first_look` above 0 an unstable run is stopped (`stability`)."""
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
            if is_seen_unstable(arrived, first_look, jobs.arrival_s, record.end_s):
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
    if answer == FINISHED and needs_room(state):
        answer = NEEDS_ROOM
    return answer


_REST = (int64[::1], types.FunctionType(STEP), WORLD, int64)
run_on_chains = entry(int64(types.FunctionType(DISPATCH), CHAINS, *_REST))(_run)
run_over_routes = entry(int64(types.FunctionType(DELAY), ROUTES, *_REST))(_run)
LOOPS = {Chains: run_on_chains, Routes: run_over_routes}  # by the state of the admission
