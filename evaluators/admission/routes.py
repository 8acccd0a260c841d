"""Admission over routes: each job looks for the shortest path, and waits by the scheme's rule where that has no room.

A job holds slots on every server of its path from its start to its end.
"""

from typing import NamedTuple

import numpy as np
from numba import float64, int64, types
from numpy.typing import NDArray

from algorithms.routing.shortest_path import shortest_path
from evaluators.admission.heap import HEAP, Heap, empty_heap, next_s, pop, push
from system.compiled import compiled
from system.routing import WAITING

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FCFS, FIRST_FIT, BACKOFF, CENTRAL = (WAITING.index(rule) for rule in ("fcfs", "first_fit", "backoff", "central"))
LONGEST_BACKOFF_S = 60.0
NO_PATH = -2


class Graph(NamedTuple):
    """The n links of a layout (`algorithms.routing.links`), its J servers, and the scheme's view of their times."""

    source: Ints  # (n,)
    target: Ints  # (n,)
    blocks: Ints  # (n,)
    cost_s: Floats  # (n,)
    coefficients_s: Floats  # (n, 3)
    mean_s: Floats  # (n,)
    exit_s: Floats  # (J,)
    hosted: Ints  # (J,)
    settings: Floats  # of the delay
    waiting: int  # index of the rule in WAITING
    refresh_s: float


class Paths(NamedTuple):
    """The path of each job as numbers of links, when the job is expected to end, and how long it backed off last."""

    link: Ints  # (jobs, most hops)
    hops: Ints  # (jobs,)
    expected_end_s: Floats  # (jobs,)
    backoff_s: Floats  # (jobs,)


class Room(NamedTuple):
    """Slots of servers: those that no running job uses, those that no present job claims, and those last refreshed.

    The jobs present at server j are the first `present[j]` entries from j * width on of `end_s`, ascending, and `held`.
    """

    free: Ints  # (J,)
    unreserved: Ints  # (J,)
    seen: Ints  # (J,)
    seen_at_s: Floats  # (1,)
    present: Ints  # (J,)
    end_s: Floats  # (J * width,)
    held: Ints  # (J * width,)
    is_full: Ints  # (1,), 1 once a list of present jobs has no room for another one
    left: Ints  # (J,), a scratch pad
    to_end_s: Floats  # (J + 1,), a scratch pad
    next_link: Ints  # (J + 1,), a scratch pad


class Waiting(NamedTuple):
    """Jobs that have just come, jobs committed to their paths in order of arrival, and when jobs look again."""

    newcomers: Ints  # (jobs,), a ring
    newcomer: Ints  # (2,): index of the first, how many
    committed: Ints  # (jobs,)
    committed_count: Ints  # (1,)
    may_fit: Ints  # (1,), 1 if slots have become free since jobs were last started
    retries: Heap


class Routes(NamedTuple):
    """All that admission over routes knows."""

    graph: Graph
    paths: Paths
    room: Room
    waiting: Waiting


_INTEGERS, _VECTOR, _MATRIX = int64[::1], float64[::1], float64[:, ::1]
ROUTES = types.NamedTuple(
    (
        types.NamedTuple(
            (
                *(_INTEGERS,) * 3,
                *(_VECTOR, _MATRIX, _VECTOR, _VECTOR),
                *(_INTEGERS, _VECTOR, int64, float64),
            ),
            Graph,
        ),
        types.NamedTuple((int64[:, ::1], _INTEGERS, _VECTOR, _VECTOR), Paths),
        types.NamedTuple(
            (
                *(_INTEGERS,) * 3,
                *(_VECTOR, _INTEGERS, _VECTOR),
                *(_INTEGERS,) * 3,
                *(_VECTOR, _INTEGERS),
            ),
            Room,
        ),
        types.NamedTuple((*(_INTEGERS,) * 5, HEAP), Waiting),
    ),
    Routes,
)


def empty_routes(graph: Graph, slots: Ints, most_hops: int, job_count: int) -> Routes:
    """Return routes over servers with these slots (J,), all free, for so many jobs."""
    n, servers, width = job_count, slots.size, int(slots.max(initial=0)) + 1
    paths = Paths(np.empty((n, most_hops), np.int64), np.zeros(n, np.int64), np.zeros(n), np.zeros(n))
    room = Room(
        free=slots.copy(),
        unreserved=slots.copy(),
        seen=slots.copy(),
        seen_at_s=np.full(1, -np.inf),
        present=np.zeros(servers, np.int64),
        end_s=np.empty(servers * width),
        held=np.empty(servers * width, np.int64),
        is_full=np.zeros(1, np.int64),
        left=np.zeros(servers, np.int64),
        to_end_s=np.zeros(servers + 1),
        next_link=np.zeros(servers + 1, np.int64),
    )
    newcomers, committed = np.empty((2, n), np.int64)
    counts = np.zeros(2, np.int64), committed, np.zeros(1, np.int64), np.zeros(1, np.int64)
    return Routes(graph, paths, room, Waiting(newcomers, *counts, empty_heap(n)))


def with_longer_lists(routes: Routes) -> Routes:
    """Return the same with twice the room in the lists of present jobs."""
    room = routes.room
    servers = room.present.size
    end_s, held = (np.concatenate([old.reshape(servers, -1)] * 2, axis=1).ravel() for old in (room.end_s, room.held))
    return routes._replace(room=room._replace(end_s=end_s, held=held, is_full=np.zeros(1, np.int64)))


@compiled
def arrive(waiting: Waiting, job: int) -> None:
    """Add a job that comes, or comes again."""
    end = (waiting.newcomer[0] + waiting.newcomer[1]) % waiting.newcomers.size
    waiting.newcomers[end] = job
    waiting.newcomer[1] += 1


@compiled
def leave(routes: Routes, job: int) -> None:
    """Free the slots of a job in service."""
    _give(job, routes.graph, routes.paths, routes.room.free)
    withdraw(routes, job)
    routes.waiting.may_fit[0] = 1


@compiled
def withdraw(routes: Routes, job: int) -> None:
    """End a job's claim to its slots."""
    _give(job, routes.graph, routes.paths, routes.room.unreserved)
    _strike(job, routes.graph, routes.paths, routes.room)


@compiled
def decide(delay, routes, now_s, started):  # type: ignore[no-untyped-def]
    """Start the jobs that can start now, and list them; return how many, or that a job found no path.

    A list of present jobs may be full after that; then it must be lengthened, and this called again.
    """
    if routes.graph.waiting == CENTRAL:
        return _decide_central(delay, routes, now_s, started)
    count = 0
    if routes.waiting.may_fit[0] == 1:
        count = _start_committed(routes, now_s, started)
        routes.waiting.may_fit[0] = 0
    retries = routes.waiting.retries
    while count >= 0 and next_s(retries) <= now_s:
        count = _look(delay, routes, pop(retries), now_s, started, count)
    while routes.waiting.newcomer[1] > 0 and routes.room.is_full[0] == 0 and count >= 0:
        job = _take_newcomer(routes.waiting)
        routes.paths.backoff_s[job] = 0.0
        count = _look(delay, routes, job, now_s, started, count)
    return count


@compiled
def _decide_central(delay, routes, now_s, started):  # type: ignore[no-untyped-def]
    """Start the jobs at the head of the queue as long as there is a path with room."""
    count, waiting = 0, routes.waiting
    while waiting.newcomer[1] > 0:
        job = waiting.newcomers[waiting.newcomer[0]]
        if not (_route(delay, routes, job, now_s) and _fits(job, routes.graph, routes.paths, routes.room.free)):
            break
        started[count] = _start(routes, _take_newcomer(waiting), now_s)
        count += 1
    return count


@compiled
def _look(delay, routes, job, now_s, started, count):  # type: ignore[no-untyped-def]
    """Start a job that looks for a path, or have it wait; return the count of started jobs."""
    if not _route(delay, routes, job, now_s):
        return NO_PATH
    graph, paths, room = routes.graph, routes.paths, routes.room
    if _fits(job, graph, paths, room.unreserved if graph.waiting == FCFS else room.free):
        started[count] = _start(routes, job, now_s)
        return count + 1
    if graph.waiting == BACKOFF:
        paths.backoff_s[job] = min(max(2 * paths.backoff_s[job], 1.0), LONGEST_BACKOFF_S)
        push(routes.waiting.retries, now_s + paths.backoff_s[job], job)
    else:
        _commit(delay, routes, job, now_s)
    return count


@compiled
def _start_committed(routes: Routes, now_s: float, started: Ints) -> int:
    """Start those that wait for their paths and have room now, in order of arrival; return how many.

    Under `fcfs` a job leaves the slots that those before it wait for; under `first_fit` it may overtake them.
    """
    graph, paths, room, waiting = routes.graph, routes.paths, routes.room, routes.waiting
    overtaking = graph.waiting == FIRST_FIT
    _copy(room.free, room.left)
    left = room.free if overtaking else room.left
    count = kept = 0
    for i in range(waiting.committed_count[0]):
        job = waiting.committed[i]
        if _fits(job, graph, paths, left):
            _strike(job, graph, paths, room)
            _begin(routes, job, now_s)
            started[count] = job
            count += 1
        else:
            waiting.committed[kept] = job
            kept += 1
        if not overtaking:
            _take(job, graph, paths, left)
    waiting.committed_count[0] = kept
    return count


@compiled
def _commit(delay, routes, job, now_s):  # type: ignore[no-untyped-def]
    """Have a job wait for its path: it claims its slots."""
    graph, paths, room, waiting = routes.graph, routes.paths, routes.room, routes.waiting
    wait_s = _expected_wait_s(delay, job, now_s, graph, paths, room)
    paths.expected_end_s[job] = now_s + wait_s + _mean_s(job, graph, paths)
    _take(job, graph, paths, room.unreserved)
    _enlist(job, graph, paths, room)
    waiting.committed[waiting.committed_count[0]] = job
    waiting.committed_count[0] += 1


@compiled
def _start(routes: Routes, job: int, now_s: float) -> int:
    """Start a job that claims no slots yet."""
    _take(job, routes.graph, routes.paths, routes.room.unreserved)
    _begin(routes, job, now_s)
    return job


@compiled
def _begin(routes: Routes, job: int, now_s: float) -> None:
    """Give a job the slots that it claims."""
    graph, paths, room = routes.graph, routes.paths, routes.room
    _take(job, graph, paths, room.free)
    paths.expected_end_s[job] = now_s + _mean_s(job, graph, paths)
    _enlist(job, graph, paths, room)


@compiled
def _route(delay, routes, job, now_s):  # type: ignore[no-untyped-def]
    """Set the job's path by the state of this moment; return whether there is one."""
    graph, room = routes.graph, routes.room
    if now_s - room.seen_at_s[0] >= graph.refresh_s:
        _copy(room.free, room.seen)
        room.seen_at_s[0] = now_s
    links = (graph.source, graph.target, graph.blocks)
    servers = (graph.hosted, room.seen, room.unreserved, room.present)
    lists = (now_s, room.end_s, room.held)
    pads = (room.to_end_s, room.next_link)
    path = routes.paths.link[job]
    hops = shortest_path(delay, links, graph.cost_s, graph.exit_s, servers, lists, graph.settings, pads, path)
    routes.paths.hops[job] = hops
    return hops > 0


@compiled
def _expected_wait_s(delay, job, now_s, graph, paths, room):  # type: ignore[no-untyped-def]
    """Return the longest of the delays on the job's path."""
    longest_s, width = 0.0, room.held.size // room.present.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        state = (graph.blocks[n], graph.hosted[j], room.seen[j], room.unreserved[j])
        first = j * width
        delay_s = delay(*state, now_s, first, first + room.present[j], room.end_s, room.held, graph.settings)
        longest_s = max(longest_s, delay_s)
    return longest_s


@compiled
def _mean_s(job: int, graph: Graph, paths: Paths) -> float:
    """Return the mean time of a job on the path."""
    total_s = 0.0
    for h in range(paths.hops[job]):
        total_s += graph.mean_s[paths.link[job, h]]
    return total_s


@compiled
def _fits(job: int, graph: Graph, paths: Paths, slots: Ints) -> bool:
    """Return whether every server of the job's path has slots for its blocks."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        if slots[graph.target[n]] < graph.blocks[n]:
            return False
    return True


@compiled
def _take(job: int, graph: Graph, paths: Paths, slots: Ints) -> None:
    """Take the job's slots from every server of its path."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        slots[graph.target[n]] -= graph.blocks[n]


@compiled
def _give(job: int, graph: Graph, paths: Paths, slots: Ints) -> None:
    """Give the job's slots back."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        slots[graph.target[n]] += graph.blocks[n]


@compiled
def _enlist(job: int, graph: Graph, paths: Paths, room: Room) -> None:
    """Add the job to the lists of its path's servers, behind those that end at the same time."""
    expected_end_s, width = paths.expected_end_s[job], room.held.size // room.present.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        first = j * width
        at = first + room.present[j]
        room.present[j] += 1
        if room.present[j] == width:
            room.is_full[0] = 1
        while at > first and room.end_s[at - 1] > expected_end_s:
            room.end_s[at], room.held[at] = room.end_s[at - 1], room.held[at - 1]
            at -= 1
        room.end_s[at], room.held[at] = expected_end_s, graph.blocks[n]


@compiled
def _strike(job: int, graph: Graph, paths: Paths, room: Room) -> None:
    """Remove the job from these lists; entries that are equal stand for each other."""
    width = room.held.size // room.present.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        at = first = j * width
        while room.end_s[at] != paths.expected_end_s[job] or room.held[at] != graph.blocks[n]:
            at += 1
        room.present[j] -= 1
        for later in range(at, first + room.present[j]):
            room.end_s[later], room.held[later] = room.end_s[later + 1], room.held[later + 1]


@compiled
def _copy(values: Ints, to: Ints) -> None:
    for i in range(values.size):
        to[i] = values[i]


@compiled
def _take_newcomer(waiting: Waiting) -> int:
    """Remove the first newcomer and return it."""
    job = waiting.newcomers[waiting.newcomer[0]]
    waiting.newcomer[0] = (waiting.newcomer[0] + 1) % waiting.newcomers.size
    waiting.newcomer[1] -= 1
    return job


@compiled
def path_coefficients_s(graph: Graph, paths: Paths, job: int) -> tuple[float, float, float]:
    """Return the coefficients of the time on the job's path."""
    once_s = input_token_s = output_token_s = 0.0
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        once_s += graph.coefficients_s[n, 0]
        input_token_s += graph.coefficients_s[n, 1]
        output_token_s += graph.coefficients_s[n, 2]
    return once_s, input_token_s, output_token_s


@compiled
def write_path(graph: Graph, paths: Paths, job: int, server: Ints, blocks: Ints) -> int:
    """Write down the servers of the job's path and the blocks that each runs; return how many hops."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        server[h], blocks[h] = graph.target[n], graph.blocks[n]
    return paths.hops[job]


def retries_of(retries: Heap) -> list[int]:
    """Return the jobs that look again later, in order."""
    size = int(retries.size[0])
    order = np.lexsort((retries.number[:size], retries.time_s[:size]))
    return retries.number[:size][order].tolist()


def newcomers_of(waiting: Waiting) -> list[int]:
    """Return the newcomers in order."""
    first, count = waiting.newcomer.tolist()
    return [int(waiting.newcomers[(first + i) % waiting.newcomers.size]) for i in range(count)]


def set_waiting(waiting: Waiting, newcomers: list[int], committed: list[int]) -> None:
    """Have these jobs wait, in this order, and look at all of them when jobs are started next."""
    waiting.newcomers[: len(newcomers)] = newcomers
    waiting.newcomer[:] = 0, len(newcomers)
    waiting.committed[: len(committed)] = committed
    waiting.committed_count[0] = len(committed)
    waiting.may_fit[0] = 1


def leads_to_end(graph: Graph) -> bool:
    """Return whether a path through all blocks is left, whatever the delays."""
    leads = np.append(np.isfinite(graph.exit_s), False)
    for source, target, cost_s in zip(graph.source, graph.target, graph.cost_s, strict=True):
        leads[source] |= leads[target] and np.isfinite(cost_s)
    return bool(leads[-1])
