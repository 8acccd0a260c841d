"""The lists of jobs at the servers, which the delay sees: the jobs that are present, or believed to be."""

from evaluators.admission.routes_state import Graph, Paths, Room, Routes
from system.code.compiler import compiled
from system.routing import OCCUPANCIES

PRESENT, BELIEVED, BELIEVED_WITHOUT_WAIT = range(len(OCCUPANCIES))


@compiled
def expected_end_s(job: int, start_s: float, graph: Graph, paths: Paths) -> float:
    """Return when the job is expected to end on its path if it starts at `start_s`."""
    mean_s = 0.0
    for h in range(paths.hops[job]):
        mean_s += graph.mean_s[paths.link[job, h]]
    return start_s + mean_s + graph.initial_delay_s


@compiled
def add_to_lists(job: int, end_s: float, graph: Graph, paths: Paths, room: Room) -> None:
    """Add the job, which is expected to end at `end_s`, to the lists of its path's servers.

    It goes behind jobs that are expected to end at the same time.
    """
    paths.expected_end_s[job], width = end_s, room.held.size // room.listed.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        first = j * width
        index = first + room.listed[j]
        room.listed[j] += 1
        room.unlisted[j] -= graph.blocks[n]
        if room.listed[j] + room.most_at_once >= width:
            room.is_full[0] = 1
        while index > first and room.end_s[index - 1] > end_s:
            room.end_s[index], room.held[index] = room.end_s[index - 1], room.held[index - 1]
            index -= 1
        room.end_s[index], room.held[index] = end_s, graph.blocks[n]


@compiled
def remove_from_lists(job: int, graph: Graph, paths: Paths, room: Room) -> None:
    """Remove the job from the lists of its path's servers, unless it is forgotten.

    Equal entries are interchangeable.
    """
    width = room.held.size // room.listed.size
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        j = graph.target[n]
        index = j * width
        last = index + room.listed[j] - 1
        while index <= last and (room.end_s[index] != paths.expected_end_s[job] or room.held[index] != graph.blocks[n]):
            index += 1
        if index > last:
            continue
        room.listed[j] -= 1
        room.unlisted[j] += graph.blocks[n]
        for later in range(index, last):
            room.end_s[later], room.held[later] = room.end_s[later + 1], room.held[later + 1]


@compiled
def forget_ended(routes: Routes, now_s: float) -> None:
    """Remove the jobs that are believed to have ended.

    Under `believed`, a waiting job has not: its start is expected now if the expected time is over.
    """
    graph, paths, room, waiting = routes.graph, routes.paths, routes.room, routes.waiting
    if graph.occupancy == BELIEVED:
        for i in range(waiting.committed_count[0]):
            job = waiting.committed[i]
            if paths.expected_end_s[job] <= now_s:
                remove_from_lists(job, graph, paths, room)
                add_to_lists(job, expected_end_s(job, now_s, graph, paths), graph, paths, room)
    width = room.held.size // room.listed.size
    for j in range(room.listed.size):
        first, ended = j * width, 0
        while ended < room.listed[j] and room.end_s[first + ended] <= now_s:
            room.unlisted[j] += room.held[first + ended]
            ended += 1
        if ended > 0:
            room.listed[j] -= ended
            for index in range(first, first + room.listed[j]):
                room.end_s[index], room.held[index] = room.end_s[index + ended], room.held[index + ended]
