"""The compiled event loop of steps: jobs in service visit the servers of their paths once for each token.

A server computes one step at a time, or stacks steps of one token, in the order in which they come. Events, in a heap,
are a step that comes to a server, a server that gets free while steps wait, and the end of a job. When a computation
begins it is known when it ends, so what follows from it is written down then. At one instant come jobs, in the order of
their numbers, and then servers, so that one that gets free sees all that came. Such instants are no rarity: jobs of
equal steps follow each other at the pace of the slowest server, one coming just as it is done with the other.

All of it is one file because numba's cache of compiled functions notices changes of their own file only. Small
functions are put in where they are called, as handing over the world would cost more than what they do.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Speeds(NamedTuple):
    """Of the servers: coefficients of x = (1, input tokens, output tokens - 1), and how steps are computed."""

    communication_s: Floats  # (J, 3)
    block_s: Floats  # (J, 3)
    stacks: bool  # whether one-token steps that wait at a server are computed together
    further_share: float  # what each further step of a stack adds to the time of the longest
    handling_s: float  # that a server takes for each step after its computation, while the job has gone on
    model_blocks: int  # L
    slowdown: Floats  # of one computation after the other; after the last again from the first


class Progress(NamedTuple):
    """Of each job: its path, written by whoever starts it, and where it is on it."""

    server: Ints  # (n, most hops)
    blocks: Ints  # (n, most hops)
    hops: Ints  # (n,)
    input_tokens: Floats  # (n,)
    further_tokens: Floats  # (n,), output tokens after the first
    hop: Ints  # (n,), the hop that it comes to next; `hops` once it has its last token
    tokens: Ints  # (n,), output tokens that it has
    came_s: Floats  # (n,), when its step came to the server at which it is


class Queues(NamedTuple):
    """Of each server the steps that wait there: a linked list of jobs from `head` over `behind` to `tail`."""

    head: Ints  # (J,)
    tail: Ints  # (J,)
    behind: Ints  # (n,)
    waiting: Ints  # (J,)
    slots_used: Ints  # (J,), of jobs whose prompt has come and that have not ended
    free_at_s: Floats  # (J,), when what it computes is done and handled


class Events(NamedTuple):
    """A binary heap by time and `who`: a job, or n + j for server j. `size[0]` entries are in use."""

    time_s: Floats
    who: Ints
    size: Ints


class Record(NamedTuple):
    """What the loop writes, absolute times but for the parts of a job's time in service."""

    first_token_s: Floats  # (n,)
    end_s: Floats  # (n,), infinite before its last token is computed
    compute_s: Floats  # (n,), steps that it is stacked with included
    queue_s: Floats  # (n,)
    busy_s: Floats  # (J,)
    computations: Ints  # (1,), how many there were


class World(NamedTuple):
    """All that an event may look at or change."""

    speeds: Speeds
    jobs: Progress
    queues: Queues
    events: Events
    record: Record


def empty_world(speeds: Speeds, lengths: Floats, most_hops: int) -> World:
    """No job has started; `lengths` (n, 2) are whole numbers of tokens."""
    n, servers = len(lengths), len(speeds.block_s)
    server, blocks = np.zeros((2, n, most_hops), np.int64)
    hops, hop, tokens, behind = np.zeros((4, n), np.int64)
    input_tokens, further_tokens = np.ascontiguousarray(lengths.T)
    jobs = Progress(server, blocks, hops, input_tokens, further_tokens, hop, tokens, np.zeros(n))
    head, tail, waiting, slots_used = np.zeros((4, servers), np.int64)
    room = n + servers
    events = Events(np.empty(room), np.empty(room, np.int64), np.zeros(1, np.int64))
    first_token_s, compute_s, queue_s = np.zeros((3, n))
    record = Record(first_token_s, np.full(n, np.inf), compute_s, queue_s, np.zeros(servers), np.zeros(1, np.int64))
    queues = Queues(head, tail, behind, waiting, slots_used, np.full(servers, -np.inf))
    return World(speeds, jobs, queues, events, record)


@njit(inline="always")
def _is_later(heap: Events, at: int, time_s: float, who: int) -> bool:
    """Whether the entry at a place of the heap comes after this event."""
    return heap.time_s[at] > time_s or (heap.time_s[at] == time_s and heap.who[at] > who)


@njit(inline="always")
def _push(heap: Events, time_s: float, who: int) -> None:
    i = heap.size[0]
    heap.size[0] += 1
    while i > 0 and _is_later(heap, (i - 1) >> 1, time_s, who):
        parent = (i - 1) >> 1
        heap.time_s[i], heap.who[i] = heap.time_s[parent], heap.who[parent]
        i = parent
    heap.time_s[i], heap.who[i] = time_s, who


@njit(inline="always")
def _pop(heap: Events) -> None:
    heap.size[0] -= 1
    last = heap.size[0]
    time_s, who = heap.time_s[last], heap.who[last]
    i, child = 0, 1
    while child < last:
        if child + 1 < last and _is_later(heap, child, heap.time_s[child + 1], heap.who[child + 1]):
            child += 1
        if _is_later(heap, child, time_s, who):
            break
        heap.time_s[i], heap.who[i] = heap.time_s[child], heap.who[child]
        i, child = child, 2 * child + 1
    heap.time_s[i], heap.who[i] = time_s, who


@njit(inline="always")
def _half_communication_s(job: int, world: World) -> float:
    """Half of what the job's step communicates with the server of its hop."""
    jobs, coefficients_s = world.jobs, world.speeds.communication_s
    j = jobs.server[job, jobs.hop[job]]
    if jobs.tokens[job] > 0:
        return coefficients_s[j, 2] / 2
    return (coefficients_s[j, 0] + coefficients_s[j, 1] * jobs.input_tokens[job]) / 2


@njit(inline="always")
def _computation_s(job: int, world: World) -> float:
    """How long the server of its hop computes on the job's step alone."""
    jobs, coefficients_s = world.jobs, world.speeds.block_s
    j, blocks = jobs.server[job, jobs.hop[job]], jobs.blocks[job, jobs.hop[job]]
    if jobs.tokens[job] > 0:
        return blocks * coefficients_s[j, 2]
    return blocks * (coefficients_s[j, 0] + coefficients_s[j, 1] * jobs.input_tokens[job])


@njit(inline="always")
def _slowdown(world: World) -> float:
    """Of the next computation."""
    count, slowdown = world.record.computations, world.speeds.slowdown
    count[0] += 1
    return slowdown[(count[0] - 1) % slowdown.size]


@njit(inline="always")
def _go_on(job: int, now_s: float, world: World) -> None:
    """A step is computed at `now_s`: it goes back, and on to the next server, the next token, or the end."""
    jobs, record = world.jobs, world.record
    now_s += _half_communication_s(job, world)
    jobs.hop[job] += 1
    if jobs.hop[job] == jobs.hops[job]:
        jobs.tokens[job] += 1
        if jobs.tokens[job] == 1:
            record.first_token_s[job] = now_s
        if jobs.tokens[job] > jobs.further_tokens[job]:
            record.end_s[job] = now_s
            _push(world.events, now_s, job)
            return
        jobs.hop[job] = 0
    _push(world.events, now_s + _half_communication_s(job, world), job)


@njit(inline="always")
def _compute(job: int, now_s: float, duration_s: float, world: World) -> None:
    """A step that has waited is computed for so long, maybe with others."""
    world.record.queue_s[job] += now_s - world.jobs.came_s[job]
    world.record.compute_s[job] += duration_s
    _go_on(job, now_s + duration_s, world)


@njit(inline="always")
def _join(job: int, j: int, queues: Queues) -> None:
    """The step joins the end of the queue."""
    if queues.waiting[j] == 0:
        queues.head[j] = job
    else:
        queues.behind[queues.tail[j]] = job
    queues.tail[j] = job
    queues.waiting[j] += 1


@njit(inline="always")
def _compute_first(j: int, now_s: float, world: World) -> float:
    """Server j computes the step at the head of its queue; returns for how long."""
    queues = world.queues
    job = queues.head[j]
    queues.head[j] = queues.behind[job]
    queues.waiting[j] -= 1
    duration_s = _computation_s(job, world) * _slowdown(world)
    _compute(job, now_s, duration_s, world)
    return duration_s


@njit(inline="always")
def _most_together(j: int, world: World) -> int:
    """One-token steps in a stack of server j: as many as its jobs would have there if all blocks took equally long."""
    return max(1, -(-world.queues.slots_used[j] // world.speeds.model_blocks))


@njit(cache=True)
def _stack_s(j: int, world: World) -> float:
    """How long server j computes on the stack that is first in its queue."""
    queues, longest_s, count, most = world.queues, 0.0, 0, _most_together(j, world)
    job = queues.head[j]
    for _ in range(queues.waiting[j]):
        if count < most and world.jobs.tokens[job] > 0:
            longest_s, count = max(longest_s, _computation_s(job, world)), count + 1
        job = queues.behind[job]
    return longest_s * (1 + world.speeds.further_share * (count - 1)) * _slowdown(world)


@njit(cache=True)
def _compute_stack(j: int, now_s: float, world: World) -> float:
    """Server j computes the first one-token steps in its queue together; returns for how long."""
    queues, duration_s, left = world.queues, _stack_s(j, world), _most_together(j, world)
    job, steps = queues.head[j], queues.waiting[j]
    queues.waiting[j] = 0
    for _ in range(steps):
        behind = queues.behind[job]
        if left > 0 and world.jobs.tokens[job] > 0:
            left -= 1
            _compute(job, now_s, duration_s, world)
        else:
            _join(job, j, queues)
        job = behind
    return duration_s


@njit(cache=True)
def _serve(j: int, now_s: float, world: World) -> None:
    """Server j, free, begins with the head of its queue."""
    queues = world.queues
    waiting = queues.waiting[j]
    if world.speeds.stacks and world.jobs.tokens[queues.head[j]] > 0:
        duration_s = _compute_stack(j, now_s, world)
    else:
        duration_s = _compute_first(j, now_s, world)
    world.record.busy_s[j] += duration_s
    queues.free_at_s[j] = now_s + duration_s + world.speeds.handling_s * (waiting - queues.waiting[j])
    if queues.waiting[j] > 0:
        _push(world.events, queues.free_at_s[j], world.jobs.hop.size + j)


@njit(cache=True)
def _come(job: int, now_s: float, world: World) -> None:
    """A step comes to the server of its hop."""
    jobs, queues = world.jobs, world.queues
    j = jobs.server[job, jobs.hop[job]]
    if jobs.tokens[job] == 0:
        queues.slots_used[j] += jobs.blocks[job, jobs.hop[job]]
    jobs.came_s[job] = now_s
    _join(job, j, queues)
    if queues.waiting[j] > 1:
        return
    if now_s > queues.free_at_s[j]:
        _serve(j, now_s, world)
    else:
        _push(world.events, queues.free_at_s[j], jobs.hop.size + j)


@njit(cache=True)
def begin(job: int, now_s: float, world: World) -> None:
    """The job, its path written down, sends its prompt to the first server."""
    _push(world.events, now_s + _half_communication_s(job, world), job)


@njit(inline="always")
def _leave(job: int, world: World) -> None:
    """Its slots are free again."""
    jobs = world.jobs
    for hop in range(jobs.hops[job]):
        world.queues.slots_used[jobs.server[job, hop]] -= jobs.blocks[job, hop]


@njit(cache=True)
def advance(world: World, until_s: float) -> int:
    """Let steps happen until a job ends, or to `until_s`; returns that job, or -1."""
    events, jobs = world.events, world.jobs
    while events.size[0] > 0 and events.time_s[0] <= until_s:
        now_s, who = events.time_s[0], events.who[0]
        _pop(events)
        if who >= jobs.hop.size:
            _serve(who - jobs.hop.size, now_s, world)
        elif jobs.hop[who] == jobs.hops[who]:
            _leave(who, world)
            return who
        else:
            _come(who, now_s, world)
    return -1
