"""The state of admission over routes: the graph, the jobs' paths, the servers' room, and the waiting jobs."""

from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, types
from numpy.typing import NDArray

from evaluators.admission.heap import HEAP, Heap, empty_heap

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Graph(NamedTuple):
    """The routing graph of a layout, as the scheme sees it.

    It has n links (`algorithms.routing.links`) and J servers.
    """

    source: Ints  # (n,)
    target: Ints  # (n,)
    blocks: Ints  # (n,)
    cost_s: Floats  # (n,)
    coefficients_s: Floats  # (n, 3)
    mean_s: Floats  # (n,)
    exit_s: Floats  # (J,)
    hosted: Ints  # (J,)
    settings: Floats  # of the delay function
    waiting: int  # index of the rule in WAITING
    refresh_s: float
    occupancy: int  # index of the kind in OCCUPANCIES
    initial_delay_s: float
    delay_is_wait: bool


class Paths(NamedTuple):
    """The paths of the jobs."""

    link: Ints  # (jobs, most hops), numbers of the links of each path
    hops: Ints  # (jobs,)
    expected_end_s: Floats  # (jobs,)
    backoff_s: Floats  # (jobs,), how long each job waited before its last retry
    earliest_s: Floats  # (jobs,), when each committed job may start at the earliest


class Room(NamedTuple):
    """Cache slots of the servers, and the jobs that are listed there.

    A job is present at a server if it holds slots there or waits for them; the delay sees the jobs that are listed
    (`system.routing`). Those listed at server j are the first `listed[j]` entries, from index j * width on, of `end_s`
    (ascending) and `held`.
    """

    free: Ints  # (J,), slots that no job in service uses
    unreserved: Ints  # (J,), slots that no present job claims
    unlisted: Ints  # (J,), slots that no listed job claims
    known_free: Ints  # (J,), free slots when the scheme's knowledge was last refreshed
    refreshed_s: Floats  # (1,), when that was
    listed: Ints  # (J,), number of listed jobs
    end_s: Floats  # (J * width,), expected ends of the listed jobs
    held: Ints  # (J * width,), slots that they hold or claim
    most_at_once: int  # jobs that may start at a server at one instant, so that each list must have room for them
    is_full: Ints  # (1,), 1 once a list has less room
    remaining: Ints  # (J,), working memory
    to_end_s: Floats  # (J + 1,), working memory
    next_link: Ints  # (J + 1,), working memory


class Waiting(NamedTuple):
    """The waiting jobs: newcomers, jobs committed to their paths, and jobs that retry later."""

    newcomers: Ints  # (jobs,), a ring buffer of jobs that have just arrived
    newcomer: Ints  # (2,): index of the first newcomer, number of newcomers
    committed: Ints  # (jobs,), in order of arrival
    committed_count: Ints  # (1,)
    may_fit: Ints  # (1,), 1 if slots have become free since jobs were last started
    looks: Heap  # of jobs by the time of their next retry, or of their planned start


class Routes(NamedTuple):
    """The whole state of admission over routes."""

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
                *(int64, float64, boolean),
            ),
            Graph,
        ),
        types.NamedTuple((int64[:, ::1], _INTEGERS, *(_VECTOR,) * 3), Paths),
        types.NamedTuple(
            (
                *(_INTEGERS,) * 4,
                *(_VECTOR, _INTEGERS, _VECTOR),
                *(_INTEGERS, int64, _INTEGERS, _INTEGERS),
                *(_VECTOR, _INTEGERS),
            ),
            Room,
        ),
        types.NamedTuple((*(_INTEGERS,) * 5, HEAP), Waiting),
    ),
    Routes,
)


def empty_routes(graph: Graph, slots: Ints, most_hops: int, job_count: int) -> Routes:
    """Return the state for `job_count` jobs over servers with `slots` (J,), all free."""
    n, servers, most_at_once = job_count, slots.size, int(slots.max(initial=0)) + 1
    width = 2 * most_at_once
    paths = Paths(np.empty((n, most_hops), np.int64), np.zeros(n, np.int64), *np.zeros((3, n)))
    room = Room(
        free=slots.copy(),
        unreserved=slots.copy(),
        unlisted=slots.copy(),
        known_free=slots.copy(),
        refreshed_s=np.full(1, -np.inf),
        listed=np.zeros(servers, np.int64),
        end_s=np.empty(servers * width),
        held=np.empty(servers * width, np.int64),
        most_at_once=most_at_once,
        is_full=np.zeros(1, np.int64),
        remaining=np.zeros(servers, np.int64),
        to_end_s=np.zeros(servers + 1),
        next_link=np.zeros(servers + 1, np.int64),
    )
    newcomers, committed = np.empty((2, n), np.int64)
    counts = np.zeros(2, np.int64), committed, np.zeros(1, np.int64), np.zeros(1, np.int64)
    return Routes(graph, paths, room, Waiting(newcomers, *counts, empty_heap(n)))


def with_longer_lists(routes: Routes) -> Routes:
    """Return the state with twice the room in the lists of jobs."""
    room = routes.room
    servers = room.listed.size
    end_s, held = (np.concatenate([old.reshape(servers, -1)] * 2, axis=1).ravel() for old in (room.end_s, room.held))
    return routes._replace(room=room._replace(end_s=end_s, held=held, is_full=np.zeros(1, np.int64)))


def looks_of(looks: Heap) -> list[int]:
    """Return the jobs that are looked at later, in the order of these times."""
    size = int(looks.size[0])
    order = np.lexsort((looks.number[:size], looks.time_s[:size]))
    return looks.number[:size][order].tolist()


def drop_looks(looks: Heap, jobs: list[int]) -> None:
    """Remove jobs from the heap; the entries that remain are sorted, and so form a heap."""
    size = int(looks.size[0])
    order = np.lexsort((looks.number[:size], looks.time_s[:size]))
    kept = order[~np.isin(looks.number[order], jobs)]
    looks.time_s[: kept.size], looks.number[: kept.size] = looks.time_s[kept], looks.number[kept]
    looks.size[0] = kept.size


def newcomers_of(waiting: Waiting) -> list[int]:
    """Return the newcomers in order."""
    first, count = waiting.newcomer.tolist()
    return [int(waiting.newcomers[(first + i) % waiting.newcomers.size]) for i in range(count)]


def set_waiting(waiting: Waiting, newcomers: list[int], committed: list[int]) -> None:
    """Replace the newcomers and the committed jobs, in the given order.

    `decide` then examines all of them.
    """
    waiting.newcomers[: len(newcomers)] = newcomers
    waiting.newcomer[:] = 0, len(newcomers)
    waiting.committed[: len(committed)] = committed
    waiting.committed_count[0] = len(committed)
    waiting.may_fit[0] = 1


def leads_to_end(graph: Graph) -> bool:
    """Return whether any path through all blocks remains, whatever the delays."""
    leads = np.append(np.isfinite(graph.exit_s), False)
    for source, target, cost_s in zip(graph.source, graph.target, graph.cost_s, strict=True):
        leads[source] |= leads[target] and np.isfinite(cost_s)
    return bool(leads[-1])
