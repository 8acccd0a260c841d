"""The lists of jobs at the servers: the jobs that are present, or believed to be."""

from evaluators.admission.routes_state import Graph, Lists, Paths, Room, Routes
from evaluators.admission.waits import expected_end_s
from system.code.compiler import compiled
from system.routing import OCCUPANCIES

PRESENT, BELIEVED, BELIEVED_WITHOUT_WAIT = range(len(OCCUPANCIES))


@compiled
def add_to_lists(job: int, end_s: float, graph: Graph, paths: Paths, room: Room, lists: Lists) -> None:
    """Add the job to the lists of its path's servers.

    It is listed with the end `end_s`, behind jobs with the same end.
    """
    lists.job_end_s[job], width = end_s, lists.held.size // lists.listed.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        first = j * width
        index = first + lists.listed[j]
        lists.listed[j] += 1
        lists.unclaimed[j] -= graph.blocks[n]
        if lists.listed[j] + room.most_at_once >= width:
            room.is_full[0] = 1
        while index > first and lists.end_s[index - 1] > end_s:
            lists.end_s[index], lists.held[index] = lists.end_s[index - 1], lists.held[index - 1]
            index -= 1
        lists.end_s[index], lists.held[index] = end_s, graph.blocks[n]


@compiled
def remove_from_lists(job: int, graph: Graph, paths: Paths, lists: Lists) -> None:
    """Remove the job from the lists of its path's servers, unless it is forgotten.

    Equal entries are interchangeable.
    """
    width = lists.held.size // lists.listed.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        index = j * width
        last = index + lists.listed[j] - 1
        while index <= last and (lists.end_s[index] != lists.job_end_s[job] or lists.held[index] != graph.blocks[n]):
            index += 1
        if index > last:
            continue
        lists.listed[j] -= 1
        lists.unclaimed[j] += graph.blocks[n]
        for later in range(index, last):
            lists.end_s[later], lists.held[later] = lists.end_s[later + 1], lists.held[later + 1]


@compiled
def expect_later(routes: Routes, now_s: float) -> None:
    """Set back the expected start of jobs that still wait at their expected end.

    They are then expected to start now.
    """
    graph, paths, room, waiting = routes.graph, routes.paths, routes.room, routes.waiting
    for i in range(waiting.committed_count[0]):
        job = waiting.committed[i]
        if room.seen.job_end_s[job] <= now_s:
            remove_from_lists(job, graph, paths, room.seen)
            add_to_lists(job, expected_end_s(job, now_s, graph, paths), graph, paths, room, room.seen)


@compiled
def forget_ended(lists: Lists, now_s: float) -> None:
    """Remove the jobs that are believed to have ended."""
    width = lists.held.size // lists.listed.size
    for j in range(lists.listed.size):
        first, ended = j * width, 0
        while ended < lists.listed[j] and lists.end_s[first + ended] <= now_s:
            lists.unclaimed[j] += lists.held[first + ended]
            ended += 1
        if ended > 0:
            lists.listed[j] -= ended
            for index in range(first, first + lists.listed[j]):
                lists.end_s[index], lists.held[index] = lists.end_s[index + ended], lists.held[index + ended]
