"""The compiled event loop for routed schemes. Events are arrivals, in order, and completions and retries, in a heap.

As in `engine.py`, a job's times are written down when it starts, and completions go before an arrival at the same
instant. Slots are held on every server of a job's path from its start to its end.

All of it is one file because numba's cache of compiled functions notices changes of their own file only.
"""

from typing import NamedTuple

import numpy as np
from numba import float64, int64, njit, types
from numpy.typing import NDArray

from algorithms.routing import DELAY, WAITING
from algorithms.routing.shortest_path import FIND_PATH
from evaluators.simulation.engine import Arrivals

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FCFS, FIRST_FIT, BACKOFF, CENTRAL = (WAITING.index(rule) for rule in ("fcfs", "first_fit", "backoff", "central"))
LONGEST_BACKOFF_S = 60.0
NEVER = -1.0  # as the last delay of a job in the heap: it completes

# A run is unstable if in the last half of the time so far, cut into windows, fewer jobs leave than this share of those
# that come, at 99 % confidence (Student's quantile for 5 windows; more of them would hide a slow drift in their noise).
# Looked at first after `Rule.first_look` arrivals, then each time after twice as many.
SHARE_SERVED, WINDOWS, QUANTILE = 0.99, 5, 3.746947


class Network(NamedTuple):
    """The graph of hops and the servers (`RoutedComposition`), and the settings of the delays."""

    source: Ints  # (n,)
    target: Ints
    blocks: Ints
    cost_s: Floats
    coefficients_s: Floats  # (n, 3)
    mean_s: Floats  # (n,)
    exit_s: Floats  # (J,)
    hosted: Ints
    slots: Ints
    settings: Floats


class Rule(NamedTuple):
    """How jobs wait, how old the numbers of free slots may be, and whether an unstable run is stopped."""

    waiting: int
    refresh_s: float
    first_look: int  # arrivals until it is asked whether the run is unstable; 0 if never
    most_hops: int


class Record(NamedTuple):
    """What the loop writes for each job."""

    waiting_s: Floats
    service_s: Floats
    first_token_s: Floats  # from arrival
    output_token_s: Floats  # a size of 1


class Paths(NamedTuple):
    """Each job's path as numbers of hops, when it is expected to end, and when it does."""

    hop: Ints  # (jobs, most_hops)
    hops: Ints  # (jobs,)
    expected_end_s: Floats  # (jobs,)
    end_s: Floats  # (jobs,), infinite before the start


class State(NamedTuple):
    """Of each server: slots that no running job uses, that no job present claims, and free slots as last told.

    The jobs present are listed in the order of their expected ends.
    """

    free: Ints
    unreserved: Ints
    told: Ints
    told_at_s: Floats  # (1,)
    present: Ints  # jobs listed
    end_s: Floats  # (J * room for jobs,)
    held: Ints  # (J * room for jobs,)


class Events(NamedTuple):
    """A binary heap by time; `size[0]` entries are in use. `delay_s` is a retry's last delay, or NEVER."""

    time_s: Floats
    job: Ints
    delay_s: Floats
    size: Ints


class Queue(NamedTuple):
    """Jobs that wait, in order of arrival: those from `bounds[0]` to `bounds[1]`."""

    job: Ints
    bounds: Ints  # (2,)


class World(NamedTuple):
    """All that an event may look at or change."""

    jobs: Arrivals
    network: Network
    rule: Rule
    paths: Paths
    state: State
    events: Events
    queue: Queue
    record: Record


@njit(cache=True)
def _push(heap: Events, time_s: float, job: int, delay_s: float) -> None:
    i = heap.size[0]
    heap.size[0] += 1
    while i > 0 and heap.time_s[(i - 1) >> 1] > time_s:
        parent = (i - 1) >> 1
        heap.time_s[i], heap.job[i], heap.delay_s[i] = heap.time_s[parent], heap.job[parent], heap.delay_s[parent]
        i = parent
    heap.time_s[i], heap.job[i], heap.delay_s[i] = time_s, job, delay_s


@njit(cache=True)
def _pop(heap: Events) -> None:
    heap.size[0] -= 1
    last = heap.size[0]
    time_s, job, delay_s = heap.time_s[last], heap.job[last], heap.delay_s[last]
    i, child = 0, 1
    while child < last:
        child += child + 1 < last and heap.time_s[child + 1] < heap.time_s[child]
        if heap.time_s[child] >= time_s:
            break
        heap.time_s[i], heap.job[i], heap.delay_s[i] = heap.time_s[child], heap.job[child], heap.delay_s[child]
        i, child = child, 2 * child + 1
    heap.time_s[i], heap.job[i], heap.delay_s[i] = time_s, job, delay_s


@njit(cache=True)
def _fits(job: int, paths: Paths, network: Network, room: Ints) -> bool:
    """Whether every server of the job's path has room for its blocks."""
    for h in range(paths.hops[job]):
        n = paths.hop[job, h]
        if room[network.target[n]] < network.blocks[n]:
            return False
    return True


@njit(cache=True)
def _take(job: int, paths: Paths, network: Network, room: Ints, times: int) -> None:
    """Take the job's slots from every server of its path, `times` = -1 to give them back."""
    for h in range(paths.hops[job]):
        n = paths.hop[job, h]
        room[network.target[n]] -= times * network.blocks[n]


@njit(cache=True)
def _enlist(job: int, paths: Paths, network: Network, state: State) -> None:
    """Add the job to the lists of its path's servers."""
    expected_end_s = paths.expected_end_s[job]
    for h in range(paths.hops[job]):
        n = paths.hop[job, h]
        j = network.target[n]
        first = j * (state.held.size // state.present.size)
        at = first + state.present[j]
        state.present[j] += 1
        while at > first and state.end_s[at - 1] > expected_end_s:
            state.end_s[at], state.held[at] = state.end_s[at - 1], state.held[at - 1]
            at -= 1
        state.end_s[at], state.held[at] = expected_end_s, network.blocks[n]


@njit(cache=True)
def _strike(job: int, paths: Paths, network: Network, state: State) -> None:
    """Remove the job from these lists; entries that are equal stand for each other."""
    for h in range(paths.hops[job]):
        n = paths.hop[job, h]
        j = network.target[n]
        at = first = j * (state.held.size // state.present.size)
        while state.end_s[at] != paths.expected_end_s[job] or state.held[at] != network.blocks[n]:
            at += 1
        state.present[j] -= 1
        for later in range(at, first + state.present[j]):
            state.end_s[later], state.held[later] = state.end_s[later + 1], state.held[later + 1]


@njit(cache=True)
def _mean_s(job: int, paths: Paths, network: Network) -> float:
    """Mean time of a job on the path."""
    total_s = 0.0
    for h in range(paths.hops[job]):
        total_s += network.mean_s[paths.hop[job, h]]
    return total_s


@njit(cache=True)
def _write_times(job: int, now_s: float, world: World) -> None:
    """The times of a job that starts now."""
    jobs, paths, network, record = world.jobs, world.paths, world.network, world.record
    once_s = input_s = output_s = 0.0
    for h in range(paths.hops[job]):
        n = paths.hop[job, h]
        once_s += network.coefficients_s[n, 0]
        input_s += network.coefficients_s[n, 1]
        output_s += network.coefficients_s[n, 2]
    row = job if jobs.lengths.shape[0] > 1 else 0
    size = jobs.size[job]
    prefill_s = size * (once_s + input_s * jobs.lengths[row, 0])
    service_s = prefill_s + size * output_s * jobs.lengths[row, 1]
    record.waiting_s[job] = now_s - jobs.time_s[job]
    record.first_token_s[job] = record.waiting_s[job] + prefill_s
    record.service_s[job] = service_s
    record.output_token_s[job] = output_s
    paths.expected_end_s[job] = now_s + _mean_s(job, paths, network)
    paths.end_s[job] = now_s + service_s


@njit(cache=True)
def _begin(job: int, now_s: float, world: World) -> None:
    """A job that has claimed its slots takes them, and its completion becomes an event."""
    _take(job, world.paths, world.network, world.state.free, 1)
    _write_times(job, now_s, world)
    _enlist(job, world.paths, world.network, world.state)
    _push(world.events, world.paths.end_s[job], job, NEVER)


@njit(cache=True)
def _leave(job: int, world: World) -> None:
    """A job completes: its slots are free."""
    _take(job, world.paths, world.network, world.state.free, -1)
    _take(job, world.paths, world.network, world.state.unreserved, -1)
    _strike(job, world.paths, world.network, world.state)


@njit(cache=True)
def _route(find_path, delay, job, now_s, world):  # type: ignore[no-untyped-def]
    """Set the job's path by the state of this moment; whether there is one."""
    network, state, paths = world.network, world.state, world.paths
    _refresh(now_s, state, world.rule.refresh_s)
    links = (network.source, network.target, network.blocks)
    servers = (network.hosted, state.told, state.unreserved, state.present)
    lists = (now_s, state.end_s, state.held)
    path = paths.hop[job]
    hops = find_path(delay, links, network.cost_s, network.exit_s, servers, lists, network.settings, path)
    paths.hops[job] = hops
    return hops > 0


@njit(cache=True)
def _expected_wait_s(delay, job, now_s, world):  # type: ignore[no-untyped-def]
    """The longest of the delays on the job's path."""
    network, state, paths = world.network, world.state, world.paths
    longest_s = 0.0
    for h in range(paths.hops[job]):
        n = paths.hop[job, h]
        j = network.target[n]
        first = j * (state.held.size // state.present.size)
        seen = (network.blocks[n], network.hosted[j], state.told[j], state.unreserved[j])
        delay_s = delay(*seen, now_s, first, first + state.present[j], state.end_s, state.held, network.settings)
        longest_s = max(longest_s, delay_s)
    return longest_s


@njit(cache=True)
def _commit(delay, job, now_s, world):  # type: ignore[no-untyped-def]
    """A job waits for its path: it claims its slots and joins the queue."""
    paths, network, state, queue = world.paths, world.network, world.state, world.queue
    wait_s = _expected_wait_s(delay, job, now_s, world)
    paths.expected_end_s[job] = now_s + wait_s + _mean_s(job, paths, network)
    _take(job, paths, network, state.unreserved, 1)
    _enlist(job, paths, network, state)
    queue.job[queue.bounds[1]] = job
    queue.bounds[1] += 1


@njit(cache=True)
def _newcomer(find_path, delay, job, last_delay_s, now_s, world):  # type: ignore[no-untyped-def]
    """A job arrives or tries again, and starts or waits; whether there is a path for it at all."""
    waiting, state = world.rule.waiting, world.state
    if not _route(find_path, delay, job, now_s, world):
        return False
    if _fits(job, world.paths, world.network, state.unreserved if waiting == FCFS else state.free):
        _take(job, world.paths, world.network, state.unreserved, 1)
        _begin(job, now_s, world)
    elif waiting == BACKOFF:
        delay_s = min(max(2 * last_delay_s, 1.0), LONGEST_BACKOFF_S)
        _push(world.events, now_s + delay_s, job, delay_s)
    else:
        _commit(delay, job, now_s, world)
    return True


@njit(cache=True)
def _start_committed(now_s: float, world: World) -> None:
    """Start those in the queue that have room now, in order of arrival.

    Under `fcfs` a job leaves the slots that those before it wait for; under `first_fit` it may overtake them.
    """
    state, queue, paths, network = world.state, world.queue, world.paths, world.network
    overtaking = world.rule.waiting == FIRST_FIT
    room = state.free if overtaking else state.free.copy()
    kept = 0
    for at in range(queue.bounds[1]):
        job = queue.job[at]
        if _fits(job, paths, network, room):
            _strike(job, paths, network, state)
            _begin(job, now_s, world)
        else:
            queue.job[kept] = job
            kept += 1
        if not overtaking:
            _take(job, paths, network, room, 1)
    queue.bounds[1] = kept


@njit(cache=True)
def _start_central(find_path, delay, now_s, world):  # type: ignore[no-untyped-def]
    """Start the jobs at the head of the queue as long as there is a path with room."""
    queue, paths, network, state = world.queue, world.paths, world.network, world.state
    while queue.bounds[0] < queue.bounds[1]:
        job = queue.job[queue.bounds[0]]
        found = _route(find_path, delay, job, now_s, world)
        if not (found and _fits(job, paths, network, state.free)):
            break
        _take(job, paths, network, state.unreserved, 1)
        _begin(job, now_s, world)
        queue.bounds[0] += 1


@njit(cache=True)
def _refresh(now_s: float, state: State, refresh_s: float) -> None:
    """Tell the numbers of free slots, if the last ones are old enough."""
    if now_s - state.told_at_s[0] >= refresh_s:
        state.told[:] = state.free
        state.told_at_s[0] = now_s


@njit(cache=True)
def _with_longer_lists(world: World) -> World:
    """The same with twice the room for the jobs present."""
    state = world.state
    servers = state.present.size
    end_s, held = np.empty(2 * state.end_s.size), np.empty(2 * state.held.size, np.int64)
    end_s.reshape(servers, -1)[:, : state.end_s.size // servers] = state.end_s.reshape(servers, -1)
    held.reshape(servers, -1)[:, : state.held.size // servers] = state.held.reshape(servers, -1)
    longer = State(state.free, state.unreserved, state.told, state.told_at_s, state.present, end_s, held)
    return World(world.jobs, world.network, world.rule, world.paths, longer, world.events, world.queue, world.record)


@njit(cache=True)
def _empty_world(jobs: Arrivals, network: Network, rule: Rule, record: Record) -> World:
    """Before the first arrival."""
    n, servers, slots = jobs.time_s.size, network.slots.size, network.slots
    paths = Paths(np.empty((n, rule.most_hops), np.int64), np.zeros(n, np.int64), np.zeros(n), np.full(n, np.inf))
    room = servers * (slots.max() + 1)  # for as many as can run, and more once some wait
    present, end_s, held = np.zeros(servers, np.int64), np.empty(room), np.empty(room, np.int64)
    state = State(slots.copy(), slots.copy(), slots.copy(), np.full(1, -np.inf), present, end_s, held)
    events = Events(np.empty(n), np.empty(n, np.int64), np.empty(n), np.zeros(1, np.int64))
    queue = Queue(np.empty(n, np.int64), np.zeros(2, np.int64))
    return World(jobs, network, rule, paths, state, events, queue, record)


@njit(cache=True)
def is_negative(surplus: Floats) -> bool:
    """Whether jobs that left less those that had to, (WINDOWS,), are below 0 in the mean, by the rule above."""
    spread = np.sqrt(surplus.var() * WINDOWS / (WINDOWS - 1))
    return surplus.mean() + QUANTILE * spread / np.sqrt(WINDOWS) < 0


@njit(cache=True)
def is_unstable(arrival_s: Floats, end_s: Floats, now_s: float) -> bool:
    """Whether jobs leave more slowly than they come, by the rule above; `end_s` is infinite for jobs that wait."""
    half_s = now_s / 2
    surplus = np.zeros(WINDOWS)
    for i in range(arrival_s.size):
        if half_s <= arrival_s[i] < now_s:
            surplus[int((arrival_s[i] - half_s) / half_s * WINDOWS)] -= SHARE_SERVED
        if half_s <= end_s[i] < now_s:
            surplus[int((end_s[i] - half_s) / half_s * WINDOWS)] += 1
    return is_negative(surplus)


@njit(cache=True)
def _is_seen_unstable(arrived: int, first_look: int, now_s: float, jobs: Arrivals, paths: Paths) -> bool:
    """Whether it is time to look, at the last job at the latest, and what is seen."""
    looks = arrived // first_look
    is_time = arrived % first_look == 0 and looks & (looks - 1) == 0
    if not (is_time or arrived == jobs.time_s.size):
        return False
    return is_unstable(jobs.time_s[:arrived], paths.end_s[:arrived], now_s)


_INTEGERS, _VECTOR, _MATRIX = int64[::1], float64[::1], float64[:, ::1]
_SIGNATURE = int64(
    types.FunctionType(FIND_PATH),
    types.FunctionType(DELAY),
    types.NamedTuple((_VECTOR, _VECTOR, _MATRIX, _VECTOR), Arrivals),
    types.NamedTuple(
        (_INTEGERS, _INTEGERS, _INTEGERS, _VECTOR, _MATRIX, _VECTOR, _VECTOR, _INTEGERS, _INTEGERS, _VECTOR), Network
    ),
    types.NamedTuple((int64, float64, int64, int64), Rule),
    types.NamedUniTuple(_VECTOR, 4, Record),
)


@njit(_SIGNATURE, cache=True)
def run(find_path, delay, jobs, network, rule, record):  # type: ignore[no-untyped-def]
    """Serve every job to its end, or stop once the run is seen to be unstable.

    Returns 0, the number of jobs that had arrived when it was stopped, or -1 if a job found no path.
    """
    world = _empty_world(jobs, network, rule, record)
    events, paths, queue, n = world.events, world.paths, world.queue, jobs.time_s.size
    arrived = 0
    while arrived < n or events.size[0] > 0:
        if events.size[0] > 0 and (arrived == n or events.time_s[0] <= jobs.time_s[arrived]):
            now_s, job, last_delay_s = events.time_s[0], events.job[0], events.delay_s[0]
            _pop(events)
        else:
            now_s, job, last_delay_s = jobs.time_s[arrived], arrived, 0.0
            arrived += 1
            if rule.first_look > 0 and _is_seen_unstable(arrived, rule.first_look, now_s, jobs, paths):
                return arrived
        completes = last_delay_s == NEVER
        if completes:
            _leave(job, world)
        if world.state.present.max() * network.slots.size == world.state.held.size:
            world = _with_longer_lists(world)
        if rule.waiting == CENTRAL:
            if not completes:
                queue.job[queue.bounds[1]] = job
                queue.bounds[1] += 1
            _start_central(find_path, delay, now_s, world)
        elif completes:
            _start_committed(now_s, world)
        elif not _newcomer(find_path, delay, job, last_delay_s, now_s, world):
            return -1
    return 0
