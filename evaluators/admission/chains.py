"""Admission to chains: the dispatch policy says which chain takes the job at the head of the central queue."""

from typing import NamedTuple

import numpy as np
from numba import float64, int64, types
from numpy.typing import NDArray

from evaluators.admission.queues import QUEUES, Queues, append, empty_queues, filled_queues, jobs_in, take_first
from system.code.compiler import compiled

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NO_SUCH_CHAIN = -1


class Chains(NamedTuple):
    """K chains, fastest first, and the jobs in service and waiting.

    Queue k < K is chain k's own, queue K is the central one.
    """

    capacity: Ints  # (K,)
    rate_per_s: Floats  # (K,)
    settings: Floats  # of the policy
    coefficients_s: Floats  # (K, 3)
    hop_start: Ints  # (K + 1,), where the hops of each chain begin in the next two; only real runs and steps need these
    hop_server: Ints
    hop_blocks: Ints
    uniform: Floats  # (n,)
    chain: Ints  # (n,), of each job that has started; not set before
    busy: Ints  # (K,)
    queues: Queues  # K + 1 of n jobs
    vacated: Ints  # chains that jobs have left since jobs were last started
    vacated_count: Ints  # (1,)


_INTEGERS, _VECTOR, _MATRIX = int64[::1], float64[::1], float64[:, ::1]
CHAINS = types.NamedTuple(
    (
        *(_INTEGERS, _VECTOR, _VECTOR, _MATRIX),
        *(_INTEGERS,) * 3,
        _VECTOR,
        *(_INTEGERS, _INTEGERS, QUEUES, _INTEGERS, _INTEGERS),
    ),
    Chains,
)


class ChainTable(NamedTuple):
    """What chains are like before any job has come; a field each as in `Chains`."""

    capacity: Ints
    rate_per_s: Floats
    settings: Floats
    coefficients_s: Floats
    hop_start: Ints
    hop_server: Ints
    hop_blocks: Ints


def empty_chains(table: ChainTable, uniform: Floats, most_at_once: int) -> Chains:
    """Return chains without jobs, for jobs with these random numbers (n,), so many at once in service at most."""
    n, count = uniform.size, table.capacity.size
    chain, busy, vacated = np.empty(n, np.int64), np.zeros(count, np.int64), np.empty(most_at_once, np.int64)
    return Chains(*table, uniform, chain, busy, empty_queues(count + 1, n), vacated, np.zeros(1, np.int64))


@compiled
def arrive(chains: Chains, job: int) -> None:
    """Add a job to the central queue."""
    append(chains.queues, chains.capacity.size, job)


@compiled
def leave(chains: Chains, k: int) -> None:
    """Free a slot of chain k."""
    chains.busy[k] -= 1
    chains.vacated[chains.vacated_count[0]] = k
    chains.vacated_count[0] += 1


@compiled(inline=True)
def decide(policy, chains, started):  # type: ignore[no-untyped-def]
    """Start the jobs that can start now, and list them; return how many, or that the policy named no chain.

    First come those from the own queues of chains that jobs have left, then those of the central queue, about whose
    head the policy is asked until it lets that wait.
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
        if k < 0:
            break
        if k >= central:
            return NO_SUCH_CHAIN
        job = take_first(queues, central)
        if chains.busy[k] < chains.capacity[k]:
            started[count] = _start(chains, k, job)
            count += 1
        else:
            append(queues, k, job)
    return count


@compiled
def path_coefficients_s(chains: Chains, job: int) -> tuple[float, float, float]:
    """Return the coefficients of the time on the job's chain."""
    k = chains.chain[job]
    return chains.coefficients_s[k, 0], chains.coefficients_s[k, 1], chains.coefficients_s[k, 2]


@compiled
def write_path(chains: Chains, job: int, server: Ints, blocks: Ints) -> int:
    """Write down the servers of the job's chain and the blocks that each runs; return how many hops."""
    first, end = chains.hop_start[chains.chain[job]], chains.hop_start[chains.chain[job] + 1]
    for h in range(first, end):
        server[h - first], blocks[h - first] = chains.hop_server[h], chains.hop_blocks[h]
    return end - first


@compiled
def _start(chains: Chains, k: int, job: int) -> int:
    chains.busy[k] += 1
    chains.chain[job] = k
    return job


def lose_chains(chains: Chains, kept: Ints) -> Chains:
    """Return the chains with these numbers, ascending, as chains 0, 1, ... of their own; the policy sees no others.

    Jobs in the own queues of the others come to the head of the central queue, in the order of their numbers.
    """
    gone, central = np.setdiff1d(np.arange(chains.capacity.size), kept).tolist(), chains.capacity.size
    stranded = sorted(job for k in gone for job in jobs_in(chains.queues, k))
    waiting = [jobs_in(chains.queues, k) for k in kept.tolist()] + [stranded + jobs_in(chains.queues, central)]
    vacated = chains.vacated[: chains.vacated_count[0]]
    vacated = np.searchsorted(kept, vacated[np.isin(vacated, kept)])
    rows = {name: getattr(chains, name)[kept] for name in ("capacity", "rate_per_s", "coefficients_s", "busy")}
    left = chains._replace(**rows, queues=filled_queues(waiting, chains.uniform.size))
    left.vacated[: vacated.size] = vacated
    left.vacated_count[0] = vacated.size
    return left
