"""The state of a simulation of steps: speeds, requests, jobs in service, servers and results.

A job in service has a slot, and the state of a slot is kept in small arrays however many jobs there are. The head and
the embedding count as one more server behind the last one of each path, so the arrays of J servers have J + 1 entries.
"""

# mypy: disable-error-code="no-untyped-def"

from typing import NamedTuple

import numpy as np
from numba import float64, int64, types
from numpy.typing import NDArray

from evaluators.admission.heap import HEAP, Heap, empty_heap
from evaluators.admission.queues import QUEUES, Queues, empty_queues
from system.errors import NotApplicableError
from system.layout import Layout
from system.service.model import ServiceModel
from system.system import System
from workloads.jobs import Jobs

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SERIAL, DECODE, MIXED = 0, 1, 2
BATCHINGS = {"serial": SERIAL, "decode": DECODE, "mixed": MIXED}
UNLIMITED = np.inf


class Speeds(NamedTuple):
    """The times of J servers and the head, and how they compute steps."""

    communication_s: Floats  # (J + 1, 3), coefficients of x = (1, input tokens, output tokens - 1)
    crossing_s: Floats  # (J + 1, J + 1, 3), coefficients from server to server; (0, 0, 3) over the hub
    block_s: Floats  # (J + 1, 3), coefficients of x
    settings: Floats  # (J + 1, n), of the service model's function
    factors: Floats  # of the times of successive computations; after the last the first follows again
    batching: int
    stack_blocks: int  # slots of a server over this number may stack steps; 0: all that wait
    chunk_tokens: float  # most tokens of a prompt at once
    budget_tokens: float  # most tokens of a mixed batch
    handling_s: float  # a server's time for each step after its computation, when the job has already moved on
    head_s: float
    round_s: float  # of a chain's host for each round
    join_s: float  # of a chain's host for each complete prompt
    shape_s: Floats  # (J + 1,), for each block of a server, when a batch has another shape than the last one


class Requests(NamedTuple):
    """The arrivals and lengths of n jobs."""

    arrival_s: Floats  # (n,)
    input_tokens: Floats  # (n,)
    further_tokens: Floats  # (n,), output tokens after the first


class Slots(NamedTuple):
    """The jobs in service; each has a slot, of S slots in all."""

    job: Ints  # (S,)
    hops: Ints  # (S,), the head included
    hop: Ints  # (S,), the next hop; `hops` once the job has its last token
    further_tokens: Ints  # (S,), that are not complete
    prompt_tokens: Floats  # (S,), that have not passed all servers
    chunk_tokens: Floats  # (S,), of the prompt in the present round; 0 in a round of one further token
    cached_tokens: Floats  # (S,), of the prompt that have passed all servers
    sent_tokens: Floats  # (S,), of the prompt that the first server has got
    server: Ints  # (S, most hops), J for the head
    blocks: Ints  # (S, most hops)
    step_s: Floats  # (S, most hops), time of a one-token step alone
    gap_s: Floats  # (S, most hops), from a one-token step here to the next hop; the last hop leads to the first
    arrival_s: Floats  # (S,), when its step arrived at the present server
    order: Ints  # (S,), the number of that arrival
    compute_s: Floats  # (S,), so far
    queue_s: Floats  # (S,), so far
    free: Ints  # (S,), the first `free_count` entries are free slots
    free_count: Ints  # (1,)


class Servers(NamedTuple):
    """The waiting steps and the activity of J servers and the head."""

    queues: Queues  # of slots: J + 1 queues of one-token steps, then J + 1 queues of prompts
    free_at_s: Floats  # (J + 1,), when the present computation is done and handled
    is_due: Ints  # (J + 1,), 1 if an event will let the server begin
    slots_used: Ints  # (J + 1,), by jobs whose prompt has arrived and that have not ended
    busy_s: Floats  # (J + 1,)
    computations: Ints  # (J + 1,), number so far


class Batches(NamedTuple):
    """The batches of K chains in lockstep; without chains in step queues."""

    slots: Queues  # K queues of the slots of the jobs in service, in the order in which they started
    is_under_way: Ints  # (K,), 1 if the chain has a batch or an event will make one
    hop: Ints  # (K,), the next hop
    steps: Ints  # (K,), one-token steps
    prompt_tokens: Floats  # (K,)
    cached_tokens: Floats  # (K,), of the prompts
    compute_s: Floats  # (K,), so far
    visits_s: Floats  # (K,), communication so far
    shape: Floats  # (K, 3), one-token steps and prompt tokens of the last batch, and 1 if they are new


class StepLog(NamedTuple):
    """The results: absolute times of n jobs, and parts of their service times."""

    start_s: Floats  # (n,), NaN before the start
    first_token_s: Floats  # (n,)
    end_s: Floats  # (n,), infinite before the end
    compute_s: Floats  # (n,), part of the service time; includes the steps in the same batches
    queue_s: Floats  # (n,), part of the service time
    counts: Ints  # (2,): number of jobs that have arrived, and number of events
    answer_s: Floats  # (1,), last answer of the service model's function; NaN until it has answered


class World(NamedTuple):
    """All that an event may read or change."""

    speeds: Speeds
    requests: Requests
    slots: Slots
    servers: Servers
    batches: Batches
    events: Heap
    record: StepLog


_INTEGERS, _VECTOR, _MATRIX, _TABLE = int64[::1], float64[::1], float64[:, ::1], int64[:, ::1]
_CUBE = float64[:, :, ::1]
SPEEDS = types.NamedTuple((_MATRIX, _CUBE, *(_MATRIX,) * 2, _VECTOR, int64, int64, *(float64,) * 6, _VECTOR), Speeds)
REQUESTS = types.NamedUniTuple(_VECTOR, 3, Requests)
SLOTS = types.NamedTuple(
    (
        *(_INTEGERS,) * 4,
        *(_VECTOR,) * 4,
        *(_TABLE,) * 2,
        *(_MATRIX,) * 2,
        *(_VECTOR, _INTEGERS, _VECTOR, _VECTOR, _INTEGERS, _INTEGERS),
    ),
    Slots,
)
SERVERS = types.NamedTuple((QUEUES, _VECTOR, *(_INTEGERS,) * 2, _VECTOR, _INTEGERS), Servers)
BATCHES = types.NamedTuple((QUEUES, *(_INTEGERS,) * 3, *(_VECTOR,) * 4, _MATRIX), Batches)
RECORD = types.NamedTuple((*(_VECTOR,) * 5, _INTEGERS, _VECTOR), StepLog)
WORLD = types.NamedTuple((SPEEDS, REQUESTS, SLOTS, SERVERS, BATCHES, HEAP, RECORD), World)


def speeds_of(layout: Layout, service: ServiceModel, rng: np.random.Generator | None) -> Speeds:
    """Return the speeds of a layout's servers under a service model."""
    servers, rules = layout.system.servers, service.rules
    head = np.zeros((1, 3))
    settings = service.settings_of(servers)
    return Speeds(
        np.concatenate([servers.communication_s, head]),
        _crossings_s(layout.system),
        np.concatenate([servers.block_s, head]),
        np.concatenate([settings, np.zeros((1, settings.shape[1]))]),
        service.factors(rng),
        BATCHINGS[rules.batching],
        layout.system.model.block_count if rules.stacking == "share_of_slots" else 0,
        float(rules.prefill_chunk_tokens or UNLIMITED),
        float(rules.budget_tokens or UNLIMITED),
        float(rules.handling_s),
        float(rules.head_s),
        float(rules.round_s),
        float(rules.join_s),
        _shapes_s(layout.system, rules.shape_round_trips),
    )


def _shapes_s(system: System, round_trips: float) -> Floats:
    """Return the seconds that a new shape takes for each block of a server.

    Raises `NotApplicableError` if they are unknown.
    """
    if round_trips == 0:
        return np.zeros(len(system.servers) + 1)
    rtt_s = system.servers.orchestrator_rtt_s
    if rtt_s is None or system.forwarding != "hub":
        raise NotApplicableError(
            f"shape_round_trips = {round_trips:g}: counts round trips between servers and orchestrator; use "
            "forwarding=hub and a network with round trips"
        )
    return np.append(round_trips * rtt_s, 0.0)


def _crossings_s(system: System) -> Floats:
    """Return the coefficients of direct crossings; an empty array over the hub.

    The head is at the orchestrator.
    """
    if system.forwarding == "hub":
        return np.zeros((0, 0, 3))
    half_s = np.pad(system.servers.communication_s, ((0, 1), (0, 0))) / 2
    crossings_s = half_s[:, None] + half_s
    crossings_s[:-1, :-1] = system.servers.all_crossing_coefficients_s()
    return crossings_s


def empty_world(speeds: Speeds, jobs: Jobs, slot_count: int, most_hops: int, chain_count: int) -> World:
    """Return the world before the first event.

    There are slots for the jobs in service, and batches for `chain_count` chains, which are 0 in step queues.
    """
    servers = len(speeds.block_s)
    slots = _empty_slots(slot_count, most_hops + (speeds.head_s > 0))
    used, due, computations = np.zeros((3, servers), np.int64)
    free_at_s, busy_s = np.full(servers, -np.inf), np.zeros(servers)
    at_servers = Servers(empty_queues(2 * servers, slot_count), free_at_s, due, used, busy_s, computations)
    batches = _empty_batches(chain_count, slot_count)
    events = empty_heap(slot_count + servers + chain_count)
    return World(speeds, requests_of(jobs), slots, at_servers, batches, events, empty_log(len(jobs)))


def requests_of(jobs: Jobs) -> Requests:
    """Return the loop's view of jobs."""
    lengths = np.broadcast_to(jobs.lengths, (len(jobs), 2))
    return Requests(jobs.arrival_s, *np.array(lengths.T, dtype=np.float64, order="C"))


def empty_log(job_count: int) -> StepLog:
    """Return a record for jobs that have not started."""
    start_s, first_token_s, end_s, compute_s, queue_s = (np.full(job_count, np.nan) for _ in range(5))
    end_s[:] = np.inf
    return StepLog(start_s, first_token_s, end_s, compute_s, queue_s, np.zeros(2, np.int64), np.zeros(1))


def _empty_batches(chain_count: int, slot_count: int) -> Batches:
    counts, numbers = np.zeros((3, chain_count), np.int64), np.zeros((4, chain_count))
    state = *counts, *numbers, np.zeros((chain_count, 3))
    return Batches(empty_queues(chain_count, slot_count), *state)


def _empty_slots(count: int, most_hops: int) -> Slots:
    job, hops, hop, further, order = np.zeros((5, count), np.int64)
    prompt, chunk, cached, sent, arrival_s, compute_s, queue_s = np.zeros((7, count))
    server, blocks = np.zeros((2, count, most_hops), np.int64)
    step_s, gap_s = np.zeros((2, count, most_hops))
    free = np.arange(count)[::-1].copy()
    state = job, hops, hop, further, prompt, chunk, cached, sent, server, blocks, step_s, gap_s
    return Slots(*state, arrival_s, order, compute_s, queue_s, free, np.full(1, count))
