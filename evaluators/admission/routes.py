"""Admission over routes: each job takes the shortest path, or waits by the scheme's rule if that has no room.

A job holds cache slots on every server of its path from its start to its end.
"""

import numpy as np
from numpy.typing import NDArray

from algorithms.routing.shortest_path import shortest_path
from algorithms.routing.ws_rr import expected_wait
from evaluators.admission.heap import next_s, pop, push
from evaluators.admission.listed import (
    BELIEVED_WITHOUT_WAIT,
    PRESENT,
    add_to_lists,
    expected_end_s,
    forget_ended,
    remove_from_lists,
)
from evaluators.admission.routes_state import Graph, Paths, Routes, Waiting
from system.code.compiler import compiled
from system.routing import WAITING

Ints = NDArray[np.int64]

FCFS, FIRST_FIT, BACKOFF, CENTRAL, PLANNED = range(len(WAITING))
LONGEST_BACKOFF_S = 60.0
NO_PATH = -2


@compiled
def arrive(waiting: Waiting, job: int) -> None:
    """Add a job that arrives, or arrives again."""
    end = (waiting.newcomer[0] + waiting.newcomer[1]) % waiting.newcomers.size
    waiting.newcomers[end] = job
    waiting.newcomer[1] += 1


@compiled
def leave(routes: Routes, job: int) -> None:
    """Free the slots of a job in service; a scheme that only believes does not notice."""
    graph, paths, room = routes.graph, routes.paths, routes.room
    _give_back(job, graph, paths, room.free)
    _give_back(job, graph, paths, room.unreserved)
    if graph.occupancy == PRESENT:
        remove_from_lists(job, graph, paths, room)
    routes.waiting.may_fit[0] = 1


@compiled
def withdraw(routes: Routes, job: int) -> None:
    """End a waiting job's claim to its slots."""
    _give_back(job, routes.graph, routes.paths, routes.room.unreserved)
    remove_from_lists(job, routes.graph, routes.paths, routes.room)


@compiled
def decide(delay, routes, now_s, started):  # type: ignore[no-untyped-def]
    """Start the jobs that can start now, and list them in `started`.

    Returns the number of started jobs, or `NO_PATH` if a job has no path. If a list of jobs is full afterwards, it must
    be lengthened and this function called again.
    """
    if routes.graph.waiting == CENTRAL:
        return _decide_central(delay, routes, now_s, started)
    count, looks = 0, routes.waiting.looks
    if routes.graph.waiting == PLANNED:
        while next_s(looks) <= now_s:
            pop(looks)
            routes.waiting.may_fit[0] = 1
    if routes.waiting.may_fit[0] == 1:
        count = _start_committed(routes, now_s, started)
        routes.waiting.may_fit[0] = 0
    while count >= 0 and next_s(looks) <= now_s:
        count = _start_or_wait(delay, routes, pop(looks), now_s, started, count)
    while routes.waiting.newcomer[1] > 0 and routes.room.is_full[0] == 0 and count >= 0:
        job = _take_newcomer(routes.waiting)
        routes.paths.backoff_s[job] = 0.0
        count = _start_or_wait(delay, routes, job, now_s, started, count)
    return count


@compiled
def _decide_central(delay, routes, now_s, started):  # type: ignore[no-untyped-def]
    """Start jobs from the head of the queue while a path has room."""
    count, waiting = 0, routes.waiting
    while waiting.newcomer[1] > 0:
        job = waiting.newcomers[waiting.newcomer[0]]
        if not (_route(delay, routes, job, now_s) and _fits(job, routes.graph, routes.paths, routes.room.free)):
            break
        started[count] = _start(routes, _take_newcomer(waiting), now_s)
        count += 1
    return count


@compiled
def _start_or_wait(delay, routes, job, now_s, started, count):  # type: ignore[no-untyped-def]
    """Start a job or make it wait; return the new count of started jobs.

    Returns `NO_PATH` if the job has no path.
    """
    if not _route(delay, routes, job, now_s):
        return NO_PATH
    graph, paths, room = routes.graph, routes.paths, routes.room
    is_planned = graph.waiting == PLANNED
    fits = _fits(job, graph, paths, room.unreserved if is_planned or graph.waiting == FCFS else room.free)
    if graph.waiting == BACKOFF and not fits:
        paths.backoff_s[job] = min(max(2 * paths.backoff_s[job], 1.0), LONGEST_BACKOFF_S)
        push(routes.waiting.looks, now_s + paths.backoff_s[job], job)
        return count
    wait_s = 0.0 if fits and not is_planned else _expected_wait_s(delay, job, now_s, graph, paths, room)
    if fits and not (is_planned and wait_s > 0):
        started[count] = _start(routes, job, now_s)
        return count + 1
    _commit(routes, job, now_s, wait_s)
    return count


@compiled
def _start_committed(routes: Routes, now_s: float, started: Ints) -> int:
    """Start the committed jobs whose paths have room now; return their number.

    They are considered in order of arrival. Under `fcfs` and `planned` a job does not take slots that earlier jobs wait
    for; under `first_fit` it may overtake them.
    """
    graph, paths, room, waiting = routes.graph, routes.paths, routes.room, routes.waiting
    overtaking = graph.waiting == FIRST_FIT
    _copy(room.free, room.remaining)
    remaining = room.free if overtaking else room.remaining
    count = kept = 0
    for i in range(waiting.committed_count[0]):
        job = waiting.committed[i]
        if paths.earliest_s[job] <= now_s and _fits(job, graph, paths, remaining):
            if graph.occupancy != BELIEVED_WITHOUT_WAIT:
                remove_from_lists(job, graph, paths, room)
                _list(routes, job, now_s)
            _take(job, graph, paths, room.free)
            started[count] = job
            count += 1
        else:
            waiting.committed[kept] = job
            kept += 1
        if not overtaking:
            _take(job, graph, paths, remaining)
    waiting.committed_count[0] = kept
    return count


@compiled
def _commit(routes: Routes, job: int, now_s: float, wait_s: float) -> None:
    """Make a job wait for its path, as expected for `wait_s`, and claim the slots there."""
    graph, waiting = routes.graph, routes.waiting
    routes.paths.earliest_s[job] = now_s
    if graph.waiting == PLANNED and wait_s > 0:
        routes.paths.earliest_s[job] = now_s + wait_s
        push(waiting.looks, now_s + wait_s, job)
    _take(job, graph, routes.paths, routes.room.unreserved)
    _list(routes, job, now_s if graph.occupancy == BELIEVED_WITHOUT_WAIT else now_s + wait_s)
    waiting.committed[waiting.committed_count[0]] = job
    waiting.committed_count[0] += 1


@compiled
def _start(routes: Routes, job: int, now_s: float) -> int:
    """Start a job that claims no slots yet."""
    _take(job, routes.graph, routes.paths, routes.room.unreserved)
    _take(job, routes.graph, routes.paths, routes.room.free)
    _list(routes, job, now_s)
    return job


@compiled
def _list(routes: Routes, job: int, start_s: float) -> None:
    """List a job, with the end that is expected if it starts at `start_s`."""
    add_to_lists(job, expected_end_s(job, start_s, routes.graph, routes.paths), routes.graph, routes.paths, routes.room)


@compiled
def _route(delay, routes, job, now_s):  # type: ignore[no-untyped-def]
    """Set the job's shortest path by the present state; return whether it has one."""
    graph, room = routes.graph, routes.room
    if graph.occupancy != PRESENT:
        forget_ended(routes, now_s)
    if now_s - room.refreshed_s[0] >= graph.refresh_s:
        _copy(room.free if graph.occupancy == PRESENT else room.unlisted, room.known_free)
        room.refreshed_s[0] = now_s
    links = (graph.source, graph.target, graph.blocks)
    servers = (graph.hosted, room.known_free, room.unlisted, room.listed)
    lists = (now_s, room.end_s, room.held)
    pads = (room.to_end_s, room.next_link)
    path = routes.paths.link[job]
    hops = shortest_path(delay, links, graph.cost_s, graph.exit_s, servers, lists, graph.settings, pads, path)
    routes.paths.hops[job] = hops
    return hops > 0


@compiled
def _expected_wait_s(delay, job, now_s, graph, paths, room):  # type: ignore[no-untyped-def]
    """Return the longest wait that is expected on the job's path."""
    longest_s, width = 0.0, room.held.size // room.listed.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        server = (j, graph.blocks[n], graph.hosted[j], room.known_free[j], room.unlisted[j])
        first = j * width
        lists = (now_s, first, first + room.listed[j], room.end_s, room.held, graph.settings)
        wait_s = delay(*server, *lists) if graph.delay_is_wait else expected_wait(*server, *lists)
        longest_s = max(longest_s, wait_s)
    return longest_s


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
def _give_back(job: int, graph: Graph, paths: Paths, slots: Ints) -> None:
    """Give the job's slots back to every server of its path."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        slots[graph.target[n]] += graph.blocks[n]


@compiled
def _copy(source: Ints, target: Ints) -> None:
    for i in range(source.size):
        target[i] = source[i]


@compiled
def _take_newcomer(waiting: Waiting) -> int:
    """Remove the first newcomer and return it."""
    job = waiting.newcomers[waiting.newcomer[0]]
    waiting.newcomer[0] = (waiting.newcomer[0] + 1) % waiting.newcomers.size
    waiting.newcomer[1] -= 1
    return job


@compiled
def path_coefficients_s(graph: Graph, paths: Paths, job: int) -> tuple[float, float, float]:
    """Return the coefficients of the service time on the job's path."""
    once_s = input_token_s = output_token_s = 0.0
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        once_s += graph.coefficients_s[n, 0]
        input_token_s += graph.coefficients_s[n, 1]
        output_token_s += graph.coefficients_s[n, 2]
    return once_s, input_token_s, output_token_s


@compiled
def write_path(graph: Graph, paths: Paths, job: int, server: Ints, blocks: Ints) -> int:
    """Write the servers of the job's path and their blocks; return the hop count."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        server[h], blocks[h] = graph.target[n], graph.blocks[n]
    return paths.hops[job]
