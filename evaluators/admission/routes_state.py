"""The state of admission over routes: the graph, the jobs' paths, the servers' room, and the waiting jobs."""

from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, types
from numpy.typing import NDArray

from algorithms.routing.links import leading_hops
from evaluators.admission.heap import HEAP, Heap, empty_heap

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
NOT_LISTED, BY_PLAN, BY_REAL_ENDS = range(3)  # kinds of a second list, which the delay does not see


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
    unseen: int  # the kind of `Room.unseen`


class Paths(NamedTuple):
    """The paths of the jobs."""

    link: Ints  # (jobs, most hops), numbers of the links of each path
    hops: Ints  # (jobs,)
    backoff_s: Floats  # (jobs,), how long each job waited before its last retry
    earliest_s: Floats  # (jobs,), when each committed job may start at the earliest


class Lists(NamedTuple):
    """A list of jobs at each server, with their ends.

    Those listed at server j are the first `listed[j]` entries, from index j * width on, of `end_s` (ascending) and
    `held`.
    """

    listed: Ints  # (J,), number of listed jobs
    unclaimed: Ints  # (J,), slots that no listed job claims
    end_s: Floats  # (J * width,), ends of the listed jobs
    held: Ints  # (J * width,), slots that they hold or claim
    job_end_s: Floats  # (jobs,), the end with which each job was listed last


class Room(NamedTuple):
    """Cache slots of the servers, and the jobs that are listed there.

    A job is present at a server if it holds slots there or waits for them; the delay sees the jobs that are listed
    (`system.routing`). A second list, which the delay does not see, is empty unless it is needed. `BY_PLAN` it has the
    jobs believed to be present without a wait, and `BY_REAL_ENDS` those that are present, with their real ends.
    """

    free: Ints  # (J,), slots that no job in service uses
    unreserved: Ints  # (J,), slots that no present job claims
    known_free: Ints  # (J,), free slots when the scheme's knowledge was last refreshed
    refreshed_s: Floats  # (1,), when that was
    seen: Lists
    unseen: Lists
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


class Sizes(NamedTuple):
    """What only a simulator knows of jobs; empty unless their ends are foreseen."""

    size: Floats  # (jobs,)
    lengths: Floats  # (jobs, 2) or (1, 2): input tokens, output tokens - 1
    delay_s: float  # time of every job in service before its first hop


class Weights(NamedTuple):
    """The weights by which jobs pick their hops, and the hops' loads; empty if jobs take shortest paths."""

    weight: Floats  # (n,)
    load: Floats  # (n,), the work of all jobs that took each hop, over its weight
    begin: Ints  # (J + 1,), the first hop out of each node; the orchestrator is the last one
    end: Ints  # (J + 1,), behind the last hop out of each node
    least_free: Ints  # (J,), the slots that must stay free
    work: Floats  # (jobs, 2) or (1, 2), the work of each job when it starts and when it leaves


class Routes(NamedTuple):
    """The whole state of admission over routes."""

    graph: Graph
    paths: Paths
    room: Room
    waiting: Waiting
    sizes: Sizes
    weights: Weights


_INTEGERS, _VECTOR, _MATRIX = int64[::1], float64[::1], float64[:, ::1]
_LISTS = types.NamedTuple((_INTEGERS, _INTEGERS, _VECTOR, _INTEGERS, _VECTOR), Lists)
ROUTES = types.NamedTuple(
    (
        types.NamedTuple(
            (
                *(_INTEGERS,) * 3,
                *(_VECTOR, _MATRIX, _VECTOR, _VECTOR),
                *(_INTEGERS, _VECTOR, int64, float64),
                *(int64, float64, boolean, int64),
            ),
            Graph,
        ),
        types.NamedTuple((int64[:, ::1], _INTEGERS, *(_VECTOR,) * 2), Paths),
        types.NamedTuple(
            (
                *(_INTEGERS,) * 3,
                *(_VECTOR, _LISTS, _LISTS),
                *(int64, _INTEGERS, _INTEGERS),
                *(_VECTOR, _INTEGERS),
            ),
            Room,
        ),
        types.NamedTuple((*(_INTEGERS,) * 5, HEAP), Waiting),
        types.NamedTuple((_VECTOR, _MATRIX, float64), Sizes),
        types.NamedTuple((_VECTOR, _VECTOR, *(_INTEGERS,) * 3, _MATRIX), Weights),
    ),
    Routes,
)


def no_weights() -> Weights:
    """Return the weights of rules without any."""
    nothing = np.empty(0, np.int64)
    return Weights(np.empty(0), np.empty(0), nothing, nothing, nothing, np.empty((0, 2)))


def empty_routes(
    graph: Graph, slots: Ints, most_hops: int, job_count: int, sizes: Sizes, weights: Weights | None = None
) -> Routes:
    """Return the state for `job_count` jobs over servers with `slots` (J,), all free."""
    n, servers, most_at_once = job_count, slots.size, int(slots.max(initial=0)) + 1
    width = 2 * most_at_once
    paths = Paths(np.empty((n, most_hops), np.int64), np.zeros(n, np.int64), *np.zeros((2, n)))
    has_second = graph.unseen != NOT_LISTED
    room = Room(
        free=slots.copy(),
        unreserved=slots.copy(),
        known_free=slots.copy(),
        refreshed_s=np.full(1, -np.inf),
        seen=_empty_lists(slots, width, n),
        unseen=_empty_lists(slots, width, n) if has_second else _empty_lists(slots[:0], 0, 0),
        most_at_once=most_at_once,
        is_full=np.zeros(1, np.int64),
        remaining=np.zeros(servers, np.int64),
        to_end_s=np.zeros(servers + 1),
        next_link=np.zeros(servers + 1, np.int64),
    )
    newcomers, committed = np.empty((2, n), np.int64)
    counts = np.zeros(2, np.int64), committed, np.zeros(1, np.int64), np.zeros(1, np.int64)
    return Routes(graph, paths, room, Waiting(newcomers, *counts, empty_heap(n)), sizes, weights or no_weights())


def _empty_lists(slots: Ints, width: int, job_count: int) -> Lists:
    entries = slots.size * width
    counts = np.zeros(slots.size, np.int64), slots.copy()
    return Lists(*counts, np.empty(entries), np.empty(entries, np.int64), np.zeros(job_count))


def with_longer_lists(routes: Routes) -> Routes:
    """Return the state with twice the room in the lists of jobs."""
    room = routes.room
    seen, unseen = _longer(room.seen), _longer(room.unseen)
    return routes._replace(room=room._replace(seen=seen, unseen=unseen, is_full=np.zeros(1, np.int64)))


def _longer(lists: Lists) -> Lists:
    shape = lists.listed.size, lists.held.size // max(lists.listed.size, 1)
    end_s, held = (np.concatenate([old.reshape(shape)] * 2, axis=1).ravel() for old in (lists.end_s, lists.held))
    return lists._replace(end_s=end_s, held=held)


def looks_of(looks: Heap) -> list[int]:
    """Return the jobs that are looked at later, in the order of these times."""
    return looks.number[_order_of(looks)].tolist()


def drop_looks(looks: Heap, jobs: list[int]) -> None:
    """Remove jobs from the heap."""
    order = _order_of(looks)  # what is sorted is a heap
    kept = order[~np.isin(looks.number[order], jobs)]
    looks.time_s[: kept.size], looks.number[: kept.size] = looks.time_s[kept], looks.number[kept]
    looks.size[0] = kept.size


def _order_of(looks: Heap) -> Ints:
    """Return the entries of the heap by time, then by job."""
    size = int(looks.size[0])
    return np.lexsort((looks.number[:size], looks.time_s[:size]))


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


def drop_dead_ends(graph: Graph) -> bool:
    """Drop the links that lead nowhere; return whether any path remains.

    Delays do not matter.
    """
    leading = leading_hops(graph.source, graph.target, np.isfinite(graph.cost_s), np.isfinite(graph.exit_s))
    graph.cost_s[~leading] = np.inf
    return bool(leading[graph.source == graph.exit_s.size].any())
