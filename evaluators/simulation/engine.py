"""The compiled event loop. Events are arrivals, in order, and completions, in a binary heap of busy slots.

A job's service time is known when it starts and nothing preempts it, so its times are written down at its start and
an event is only (completion time, chain). Completions go before an arrival at the same instant; completions of
different chains at one instant come in the order of the heap, always the same but not specified.

A long run comes in chunks of jobs: what goes on from one to the next is in `State`.
"""

from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, njit, types
from numpy.typing import NDArray

from algorithms.dispatch import DISPATCH

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Arrivals(NamedTuple):
    """Jobs in order of arrival; `lengths` has one row for each or a single row for all."""

    time_s: Floats  # (n,)
    size: Floats  # (n,)
    lengths: Floats  # (n, 2) or (1, 2): input tokens, output tokens - 1
    uniform: Floats  # (n,)


class ChainTable(NamedTuple):
    """Chains, fastest first, and the policy's settings."""

    capacity: Ints  # (K,)
    rate_per_s: Floats  # (K,)
    coefficients_s: Floats  # (K, 3)
    settings: Floats


class Record(NamedTuple):
    """What the loop writes for each job."""

    waiting_s: Floats
    service_s: Floats
    first_token_s: Floats  # from arrival
    chain: Ints


class Completions(NamedTuple):
    """A binary heap by completion time; `size[0]` entries are in use."""

    time_s: Floats
    chain: Ints
    size: Ints


class State(NamedTuple):
    """Between two events: who is in service, and which of the jobs have come and wait.

    `place` is (head, arrived): the jobs from `head` to `arrived` are the central queue, which never loses its order.
    Each chain's own queue is a linked list from `queue_head` over `behind` to `queue_tail`, if `queued` is above 0.
    """

    busy: Ints  # (K,)
    queued: Ints  # (K,)
    queue_head: Ints  # (K,)
    queue_tail: Ints  # (K,)
    behind: Ints  # (n,)
    heap: Completions
    place: Ints  # (2,)


# Spelt out so that the policy is a function pointer and the loop compiles once for all policies.
_VECTOR, _MATRIX, _INTEGERS = float64[::1], float64[:, ::1], int64[::1]
_SIGNATURE = int64(
    types.FunctionType(DISPATCH),
    types.NamedTuple((_VECTOR, _VECTOR, _MATRIX, _VECTOR), Arrivals),
    types.NamedTuple((_INTEGERS, _VECTOR, _MATRIX, _VECTOR), ChainTable),
    types.NamedTuple((_VECTOR, _VECTOR, _VECTOR, _INTEGERS), Record),
    types.NamedTuple(
        (
            *(_INTEGERS,) * 5,
            types.NamedTuple((_VECTOR, _INTEGERS, _INTEGERS), Completions),
            _INTEGERS,
        ),
        State,
    ),
    boolean,
)


def empty_state(chain_count: int, job_count: int, slot_count: int) -> State:
    """Nobody has come; `slot_count` bounds how many are in service at once."""
    busy, queued, head, tail = np.zeros((4, chain_count), np.int64)
    heap = Completions(np.empty(slot_count), np.empty(slot_count, np.int64), np.zeros(1, np.int64))
    return State(busy, queued, head, tail, np.zeros(job_count, np.int64), heap, np.zeros(2, np.int64))


@njit(inline="always")
def _push(heap: Completions, time_s: float, chain: int) -> None:
    """Add a completion."""
    i = heap.size[0]
    heap.size[0] += 1
    while i > 0 and heap.time_s[(i - 1) >> 1] > time_s:
        parent = (i - 1) >> 1
        heap.time_s[i], heap.chain[i] = heap.time_s[parent], heap.chain[parent]
        i = parent
    heap.time_s[i], heap.chain[i] = time_s, chain


@njit(inline="always")
def _pop(heap: Completions) -> None:
    """Remove the earliest completion: the last entry sinks from the top."""
    heap.size[0] -= 1
    last = heap.size[0]
    time_s, chain = heap.time_s[last], heap.chain[last]
    i, child = 0, 1
    while child < last:
        child += child + 1 < last and heap.time_s[child + 1] < heap.time_s[child]
        if heap.time_s[child] >= time_s:
            break
        heap.time_s[i], heap.chain[i] = heap.time_s[child], heap.chain[child]
        i, child = child, 2 * child + 1
    heap.time_s[i], heap.chain[i] = time_s, chain


@njit(inline="always")
def _start(job: int, chain: int, now_s: float, jobs: Arrivals, chains: ChainTable, record: Record) -> float:
    """Write down the times of a job that starts now, and return when it completes."""
    row = job if jobs.lengths.shape[0] > 1 else 0
    size = jobs.size[job]
    prefill_s = size * (chains.coefficients_s[chain, 0] + chains.coefficients_s[chain, 1] * jobs.lengths[row, 0])
    service_s = prefill_s + size * chains.coefficients_s[chain, 2] * jobs.lengths[row, 1]
    record.waiting_s[job] = now_s - jobs.time_s[job]
    record.first_token_s[job] = record.waiting_s[job] + prefill_s
    record.service_s[job] = service_s
    record.chain[job] = chain
    return now_s + service_s


@njit(_SIGNATURE, cache=True)
def run(policy, jobs, chains, record, state, more_follow):  # type: ignore[no-untyped-def]
    """Serve every job to its end; if more jobs follow, only to the last arrival, as what happens next is not known.

    Returns how many jobs have been given to a chain; -1 if the policy named a chain that is not there.
    """
    n, chain_count = jobs.time_s.size, chains.capacity.size
    busy, queued, queue_head, queue_tail, behind, heap, place = state
    head, arrived = place
    while arrived < n or (heap.size[0] > 0 and not more_follow):
        if heap.size[0] > 0 and (arrived == n or heap.time_s[0] <= jobs.time_s[arrived]):
            now_s, k = heap.time_s[0], heap.chain[0]
            _pop(heap)
            busy[k] -= 1
            if queued[k] > 0:
                queued[k] -= 1
                busy[k] += 1
                _push(heap, _start(queue_head[k], k, now_s, jobs, chains, record), k)
                queue_head[k] = behind[queue_head[k]]
        else:
            now_s = jobs.time_s[arrived]
            arrived += 1
        while head < arrived:
            k = policy(
                busy, queued, arrived - head, chains.capacity, chains.rate_per_s, chains.settings, jobs.uniform[head]
            )
            if k < 0:
                break
            if k >= chain_count:
                return -1
            if busy[k] < chains.capacity[k]:
                busy[k] += 1
                _push(heap, _start(head, k, now_s, jobs, chains, record), k)
            else:
                if queued[k] == 0:
                    queue_head[k] = head
                else:
                    behind[queue_tail[k]] = head
                queue_tail[k] = head
                queued[k] += 1
            head += 1
    place[0], place[1] = head, arrived
    return head
