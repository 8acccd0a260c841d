"""Admission to chains: the dispatch policy picks the chain for the job at the head of the central queue."""

from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, types
from numpy.typing import NDArray

from evaluators.admission.queues import QUEUES, Queues, append, empty_queues, filled_queues, jobs_in, take_first
from system.code.compiler import compiled

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

WAIT = -1  # the policy's answer that lets a job wait
NO_SUCH_CHAIN = -1


class Chains(NamedTuple):
    """K chains, fastest first, with the jobs in service and the jobs waiting.

    Queue k < K belongs to chain k; queue K is the central one.
    """

    capacity: Ints  # (K,)
    rate_per_s: Floats  # (K,)
    settings: Floats  # of the policy
    coefficients_s: Floats  # (K, 3)
    hop_start: Ints  # (K + 1,), where the hops of each chain begin in the next two; only for real runs and step queues
    hop_server: Ints
    hop_blocks: Ints
    looks_at_ends: bool  # whether the policy is called when jobs leave
    uniform: Floats  # (n,), random numbers of the jobs
    chain: Ints  # (n,), the chain of each job that has started; not set before
    busy: Ints  # (K,), jobs in service on each chain
    queues: Queues  # K + 1 queues for n jobs
    vacated: Ints  # chains that jobs have left since `decide` was last called
    vacated_count: Ints  # (1,), entries of `vacated` in use
    answer: Ints  # (1,), the policy's answer that ended the run


_INTEGERS, _VECTOR, _MATRIX = int64[::1], float64[::1], float64[:, ::1]
CHAINS = types.NamedTuple(
    (
        *(_INTEGERS, _VECTOR, _VECTOR, _MATRIX),
        *(_INTEGERS,) * 3,
        *(boolean, _VECTOR),
        *(_INTEGERS, _INTEGERS, QUEUES, *(_INTEGERS,) * 3),
    ),
    Chains,
)


class ChainTable(NamedTuple):
    """Chains before the first arrival, with the fields of `Chains`."""

    capacity: Ints
    rate_per_s: Floats
    settings: Floats
    coefficients_s: Floats
    hop_start: Ints
    hop_server: Ints
    hop_blocks: Ints
    looks_at_ends: bool


def empty_chains(table: ChainTable, uniform: Floats, most_at_once: int) -> Chains:
    """Return chains without jobs.

    `uniform` (n,) are the random numbers of the jobs to come; at most `most_at_once` jobs are in service together.
    """
    n, count = uniform.size, table.capacity.size
    chain, busy, vacated = np.empty(n, np.int64), np.zeros(count, np.int64), np.empty(most_at_once, np.int64)
    counts = np.zeros((2, 1), np.int64)
    return Chains(*table, uniform, chain, busy, empty_queues(count + 1, n), vacated, *counts)


@compiled
def arrive(chains: Chains, job: int) -> None:
    """Add a job to the central queue."""
    append(chains.queues, chains.capacity.size, job)


@compiled
def leave(chains: Chains, k: int) -> None:
    """Note that a job has left chain k."""
    chains.busy[k] -= 1
    chains.vacated[chains.vacated_count[0]] = k
    chains.vacated_count[0] += 1


@compiled(inline=True)
def decide(policy, chains, started):  # type: ignore[no-untyped-def]
    """Start the jobs that can start now, and list them in `started`.

    Jobs in the queues of chains that other jobs have left start first. Then the policy picks a chain for the head of
    the central queue, until it lets that job wait. Returns the number of started jobs, or `NO_SUCH_CHAIN` if the policy
    answers with a chain that does not exist; that job is still the head of the queue.
    """
    count = 0
    for i in range(chains.vacated_count[0]):
        k = chains.vacated[i]
        if chains.queues.length[k] > 0:
            started[count] = _start(chains, k, take_first(chains.queues, k))
            count += 1
    chains.vacated_count[0] = 0
    central, queues = chains.capacity.size, chains.queues
    while queues.length[central] > 0:
        k = policy(
            chains.busy,
            queues.length[:central],
            queues.length[central],
            chains.capacity,
            chains.rate_per_s,
            chains.settings,
            chains.uniform[queues.first[central]],
        )
        if k < 0 or k >= central:
            if k == WAIT:
                break
            chains.answer[0] = k
            return NO_SUCH_CHAIN
        job = take_first(queues, central)
        if chains.busy[k] < chains.capacity[k]:
            started[count] = _start(chains, k, job)
            count += 1
        else:
            append(queues, k, job)
    return count


@compiled
def start_all(chains: Chains, k: int, started: Ints) -> int:
    """Start all jobs that wait for chain k, or centrally, on chain k.

    The capacity is no limit. Returns the number of started jobs.
    """
    count = 0
    for queue in (k, chains.capacity.size):
        while chains.queues.length[queue] > 0:
            started[count] = _start(chains, k, take_first(chains.queues, queue))
            count += 1
    chains.vacated_count[0] = 0
    return count


@compiled
def path_coefficients_s(chains: Chains, job: int) -> tuple[float, float, float]:
    """Return the coefficients of the service time on the job's chain."""
    k = chains.chain[job]
    return chains.coefficients_s[k, 0], chains.coefficients_s[k, 1], chains.coefficients_s[k, 2]


@compiled
def write_path(chains: Chains, job: int, server: Ints, blocks: Ints) -> int:
    """Write the servers of the job's chain and their blocks; return the hop count."""
    first, end = chains.hop_start[chains.chain[job]], chains.hop_start[chains.chain[job] + 1]
    for h in range(first, end):
        server[h - first], blocks[h - first] = chains.hop_server[h], chains.hop_blocks[h]
    return end - first


@compiled
def _start(chains: Chains, k: int, job: int) -> int:
    chains.busy[k] += 1
    chains.chain[job] = k
    return job


def head_of(chains: Chains) -> int:
    """Return the job at the head of the central queue."""
    return int(chains.queues.first[chains.capacity.size])


def lose_chains(chains: Chains, kept: Ints, settings: Floats) -> Chains:
    """Return the state with only the chains in `kept` (ascending), renumbered 0, 1, ...

    The policy sees no other chains, so it gets the `settings` for these. Jobs in the queues of lost chains move to the
    head of the central queue, in the order of their numbers.
    """
    lost, central = np.setdiff1d(np.arange(chains.capacity.size), kept).tolist(), chains.capacity.size
    stranded = sorted(job for k in lost for job in jobs_in(chains.queues, k))
    waiting = [jobs_in(chains.queues, k) for k in kept.tolist()] + [stranded + jobs_in(chains.queues, central)]
    vacated = chains.vacated[: chains.vacated_count[0]]
    vacated = np.searchsorted(kept, vacated[np.isin(vacated, kept)])
    rows = {name: getattr(chains, name)[kept] for name in ("capacity", "rate_per_s", "coefficients_s", "busy")}
    remaining = chains._replace(**rows, settings=settings, queues=filled_queues(waiting, chains.uniform.size))
    remaining.vacated[: vacated.size] = vacated
    remaining.vacated_count[0] = vacated.size
    return remaining
