"""The state of admission over routes: the graph, the paths of jobs, the room of servers, and who waits."""

from typing import NamedTuple

import numpy as np
from numba import float64, int64, types
from numpy.typing import NDArray

from evaluators.admission.heap import HEAP, Heap, empty_heap

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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
