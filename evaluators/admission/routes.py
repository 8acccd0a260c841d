"""Admission over routes: each job takes the shortest path, or waits by the scheme's rule if that has no room.

Under weights, it takes the path of its walk instead, and waits in the central queue if the walk finds none.

A job holds cache slots on every server of its path from its start to its end.
"""

import numpy as np
from numpy.typing import NDArray

from algorithms.routing.shortest_path import shortest_path
from algorithms.routing.weighted import weighted_path
from evaluators.admission.heap import next_s, pop, push
from evaluators.admission.listed import (
    BELIEVED,
    BELIEVED_WITHOUT_WAIT,
    PRESENT,
    add_to_lists,
    expect_later,
    forget_ended,
    remove_from_lists,
)
from evaluators.admission.paths import charge, fits, give_back, take
from evaluators.admission.routes_state import BY_PLAN, BY_REAL_ENDS, Routes, Waiting
from evaluators.admission.waits import expected_end_s, expected_wait_s, least_wait_s, real_end_s
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
    """Free the slots of a job in service.

    A scheme that only believes does not notice.
    """
    graph, paths, room = routes.graph, routes.paths, routes.room
    give_back(job, graph, paths, room.free)
    give_back(job, graph, paths, room.unreserved)
    if graph.occupancy == PRESENT:
        remove_from_lists(job, graph, paths, room.seen)
    if graph.unseen == BY_REAL_ENDS:
        remove_from_lists(job, graph, paths, room.unseen)
    if routes.weights.weight.size > 0:
        charge(job, 1, paths, routes.weights)
    routes.waiting.may_fit[0] = 1


@compiled
def withdraw(routes: Routes, job: int) -> None:
    """End a waiting job's claim to its slots."""
    graph, paths, room = routes.graph, routes.paths, routes.room
    give_back(job, graph, paths, room.unreserved)
    remove_from_lists(job, graph, paths, room.seen)
    if graph.unseen == BY_PLAN:
        remove_from_lists(job, graph, paths, room.unseen)


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
        if not (_route(delay, routes, job, now_s) and fits(job, routes.graph, routes.paths, routes.room.free)):
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
    has_room = fits(job, graph, paths, room.unreserved if is_planned or graph.waiting == FCFS else room.free)
    if graph.waiting == BACKOFF and not has_room:
        paths.backoff_s[job] = min(max(2 * paths.backoff_s[job], 1.0), LONGEST_BACKOFF_S)
        push(routes.waiting.looks, now_s + paths.backoff_s[job], job)
        return count
    wait_s = 0.0 if has_room and not is_planned else expected_wait_s(delay, job, now_s, graph, paths, room)
    if has_room and not (is_planned and wait_s > 0):
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
        if paths.earliest_s[job] <= now_s and fits(job, graph, paths, remaining):
            if graph.occupancy != BELIEVED_WITHOUT_WAIT:
                remove_from_lists(job, graph, paths, room.seen)
                add_to_lists(job, expected_end_s(job, now_s, graph, paths), graph, paths, room, room.seen)
            take(job, graph, paths, room.free)
            started[count] = job
            count += 1
        else:
            waiting.committed[kept] = job
            kept += 1
        if not overtaking:
            take(job, graph, paths, remaining)
    waiting.committed_count[0] = kept
    return count


@compiled
def _commit(routes: Routes, job: int, now_s: float, wait_s: float) -> None:
    """Make a job wait for its path and claim the slots there.

    It expects to wait for `wait_s`.
    """
    graph, waiting = routes.graph, routes.waiting
    routes.paths.earliest_s[job] = now_s
    if graph.waiting == PLANNED and wait_s > 0:
        routes.paths.earliest_s[job] = now_s + wait_s
        push(waiting.looks, now_s + wait_s, job)
    take(job, graph, routes.paths, routes.room.unreserved)
    if graph.unseen == BY_REAL_ENDS:
        least_s = least_wait_s(job, now_s, graph, routes.paths, routes.room.unseen)
        wait_s = max(wait_s, least_s) if graph.waiting == PLANNED else least_s
    _list(routes, job, now_s, now_s + wait_s)
    waiting.committed[waiting.committed_count[0]] = job
    waiting.committed_count[0] += 1


@compiled
def _start(routes: Routes, job: int, now_s: float) -> int:
    """Start a job that claims no slots yet."""
    take(job, routes.graph, routes.paths, routes.room.unreserved)
    take(job, routes.graph, routes.paths, routes.room.free)
    if routes.weights.weight.size > 0:
        charge(job, 0, routes.paths, routes.weights)
    _list(routes, job, now_s, now_s)
    return job


@compiled
def _list(routes: Routes, job: int, now_s: float, start_s: float) -> None:
    """List a job that has just found its path.

    It is expected to start at `start_s`.
    """
    graph, paths, room = routes.graph, routes.paths, routes.room
    seen_start_s = now_s if graph.occupancy == BELIEVED_WITHOUT_WAIT else start_s
    add_to_lists(job, expected_end_s(job, seen_start_s, graph, paths), graph, paths, room, room.seen)
    if graph.unseen == BY_PLAN:
        add_to_lists(job, expected_end_s(job, now_s, graph, paths), graph, paths, room, room.unseen)
    elif graph.unseen == BY_REAL_ENDS:
        add_to_lists(job, real_end_s(job, start_s, routes), graph, paths, room, room.unseen)


@compiled
def _route(delay, routes, job, now_s):  # type: ignore[no-untyped-def]
    """Set the job's path by the present state; return whether it has one."""
    graph, room = routes.graph, routes.room
    if routes.weights.weight.size > 0:
        return _walk(routes, job)
    if graph.occupancy == BELIEVED:
        expect_later(routes, now_s)
    if graph.occupancy != PRESENT:
        forget_ended(room.seen, now_s)
    if graph.unseen == BY_PLAN:
        forget_ended(room.unseen, now_s)
    if now_s - room.refreshed_s[0] >= graph.refresh_s:
        _copy(room.free if graph.occupancy == PRESENT else room.seen.unclaimed, room.known_free)
        room.refreshed_s[0] = now_s
    links = (graph.source, graph.target, graph.blocks)
    servers = (graph.hosted, room.known_free, room.seen.unclaimed, room.seen.listed)
    lists = (now_s, room.seen.end_s, room.seen.held)
    pads = (room.to_end_s, room.next_link)
    path = routes.paths.link[job]
    hops = shortest_path(delay, links, graph.cost_s, graph.exit_s, servers, lists, graph.settings, pads, path)
    routes.paths.hops[job] = hops
    return hops > 0


@compiled
def _walk(routes, job):  # type: ignore[no-untyped-def]
    """Set the job's path by weights; return whether its walk reached the last block."""
    graph, weights = routes.graph, routes.weights
    hops = weighted_path(
        graph.target,
        graph.cost_s,
        graph.exit_s,
        (weights.weight, weights.load, weights.begin, weights.end),
        (graph.hosted, routes.room.free, weights.least_free),
        weights.work[job if weights.work.shape[0] > 1 else 0, 0],
        routes.paths.link[job],
    )
    routes.paths.hops[job] = hops
    return hops > 0


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
