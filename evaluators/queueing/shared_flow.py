"""The flow of jobs over chains that share servers: iterations over all chains until the rates settle.

With n jobs in service, chain k serves them at rate n/S_k(u), where S_k is the time of a job and u the rate at which the
other n - 1 come by: u S_k(u) = n - 1. No server can compute more than all of the time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.queueing.shared_chains import Background, SharedChains, pace, token_alone_s
from system.code.compiler import compiled

Floats = NDArray[np.float64]

LEAST_FREE = 0.03  # share of a server that a chain gets beside the others
STEPS = 60  # of a search for a root
ROOT_TOLERANCE = 1e-10  # relative
TOLERANCE = 1e-4  # relative, on totals of all chains
ROUNDS = 400
SMALLEST_STEP, STEP_ROUNDS = 1 / 32, 40
HUGE = 1e200
PROMPT_WAITS = 0.9  # waiting of a prompt for further tokens of other jobs, over that of a further token in a round


class Scratch(NamedTuple):
    """Arrays that the iterations write."""

    by_server: Floats  # (up to J, 3): Σ λ_l P_lj, Σ λ_l P_lj² and Σ λ_l d_lj
    others: Background
    occupied_per_s: Floats  # (c_max,), at which one chain serves 1, 2, ... jobs
    next_per_s: Floats  # (K,), rates of the chains for the next round


class Flow(NamedTuple):
    """What passes each chain; the arrays are (K,)."""

    rate_per_s: Floats  # λ_k
    jobs: Floats  # mean number in service
    first_token_s: Floats  # mean time from the start of a job to its first token


def empty_scratch(chains: SharedChains) -> Scratch:
    """Return arrays for the iterations."""
    hops, count = chains.hop_server.size, chains.capacity.size
    others = Background(np.zeros(hops), np.zeros(hops), np.zeros(hops), np.zeros((count, 3)))
    return Scratch(np.zeros((chains.hop_server.max() + 1, 3)), others, np.zeros(chains.capacity.max()), np.zeros(count))


@compiled
def full_chains(chains: SharedChains, scratch: Scratch, rate_per_s: Floats) -> bool:
    """Write the rates of all chains if all are full.

    `rate_per_s` is (K,). Returns whether their sum has settled. How full chains share a full server hardly matters to
    it.
    """
    total_per_s = 0.0
    for i in range(ROUNDS):
        _sum_by_server(chains, rate_per_s, scratch.by_server)
        before_per_s, total_per_s = total_per_s, 0.0
        for k in range(chains.capacity.size):
            _set_others(k, chains, rate_per_s, scratch)
            _set_occupied(k, chains, scratch)
            scratch.next_per_s[k] = scratch.occupied_per_s[chains.capacity[k] - 1]
            total_per_s += scratch.next_per_s[k]
        if abs(total_per_s - before_per_s) <= TOLERANCE * total_per_s:
            _go_on(rate_per_s, scratch.next_per_s, 1.0)
            return True
        _go_on(rate_per_s, scratch.next_per_s, _step(i))
    return False


@compiled
def jffc_without_queue(arrival_per_s: float, chains: SharedChains, scratch: Scratch, flow: Flow) -> float:
    """Write the flow of jobs under JFFC without a queue.

    Jobs take the fastest free chain and are lost if there is none. What one chain cannot take arrives at the next as if
    it were Poisson. Returns the share of lost jobs, or NaN if the mean number of jobs does not settle.
    """
    jobs = 0.0
    for i in range(ROUNDS):
        _sum_by_server(chains, flow.rate_per_s, scratch.by_server)
        before, jobs, left_per_s = jobs, 0.0, arrival_per_s
        for k in range(chains.capacity.size):
            _set_others(k, chains, flow.rate_per_s, scratch)
            _set_occupied(k, chains, scratch)
            full, flow.jobs[k] = _loss(left_per_s, scratch.occupied_per_s[: chains.capacity[k]])
            scratch.next_per_s[k] = left_per_s * (1 - full)
            flow.first_token_s[k] = _first_token_s(k, scratch.next_per_s[k], flow.jobs[k], chains, scratch.others)
            left_per_s *= full
            jobs += flow.jobs[k]
        if abs(jobs - before) <= TOLERANCE * jobs:
            _go_on(flow.rate_per_s, scratch.next_per_s, 1.0)
            return left_per_s / arrival_per_s
        _go_on(flow.rate_per_s, scratch.next_per_s, _step(i))
    return np.nan


@compiled
def _step(i: int) -> float:
    """Return the share of the way that rates move in round i.

    Where many chains share a full server, each answers to all others and rates swing, unless steps get shorter.
    """
    return max(SMALLEST_STEP, 0.5 ** (1 + i // STEP_ROUNDS))


@compiled
def _go_on(rate_per_s: Floats, next_per_s: Floats, step: float) -> None:
    """Move the rates a share of the way to the next ones."""
    for k in range(rate_per_s.size):
        rate_per_s[k] += step * (next_per_s[k] - rate_per_s[k])


@compiled
def _sum_by_server(chains: SharedChains, rate_per_s: Floats, by_server: Floats) -> None:
    by_server[:] = 0.0
    for k in range(rate_per_s.size):
        for h in range(chains.hop_start[k], chains.hop_start[k + 1]):
            j, prompt_s = chains.hop_server[h], chains.prompt_s[h]
            by_server[j, 0] += rate_per_s[k] * prompt_s
            by_server[j, 1] += rate_per_s[k] * prompt_s**2
            by_server[j, 2] += rate_per_s[k] * chains.token_s[h]


@compiled
def _set_others(k: int, chains: SharedChains, rate_per_s: Floats, scratch: Scratch) -> None:
    """Write what the jobs of other chains do at the servers of chain k."""
    others, own_per_s = scratch.others, rate_per_s[k]
    for h in range(chains.hop_start[k], chains.hop_start[k + 1]):
        sums, prompt_s = scratch.by_server[chains.hop_server[h]], chains.prompt_s[h]
        others.prompt_share[h] = max(0.0, sums[0] - own_per_s * prompt_s)
        others.prompt_square_s[h] = max(0.0, sums[1] - own_per_s * prompt_s**2)
        others.token_share[h] = max(0.0, sums[2] - own_per_s * chains.token_s[h])
    others.totals[k] = 0.0
    for other in range(rate_per_s.size):
        shared_s, other_per_s = chains.shared_prompt_s[k, other], rate_per_s[other]
        if other != k and shared_s > 0:
            others.totals[k, 0] += other_per_s
            others.totals[k, 1] += other_per_s * shared_s
            others.totals[k, 2] += other_per_s * max(shared_s - chains.largest_prompt_s[k], 0.0) ** 2


@compiled
def _set_occupied(k: int, chains: SharedChains, scratch: Scratch) -> None:
    """Write the rates of chain k with 1, 2, ... jobs; they never fall."""
    most_per_s, own_per_s, fastest_per_s = _most_per_s(k, chains, scratch.others), 0.0, 0.0
    for n in range(chains.capacity[k]):
        if fastest_per_s < most_per_s:
            own_per_s = _own_per_s(k, n, own_per_s, 1.5 * most_per_s, chains, scratch.others)
            rate_per_s = (n + 1) / pace(k, own_per_s, chains, scratch.others).service_s
            fastest_per_s = max(fastest_per_s, min(rate_per_s, most_per_s))
        scratch.occupied_per_s[n] = fastest_per_s


@compiled
def _most_per_s(k: int, chains: SharedChains, others: Background) -> float:
    """Return the largest rate that chain k can serve beside the others."""
    most_per_s = np.inf
    for h in range(chains.hop_start[k], chains.hop_start[k + 1]):
        work_s = chains.prompt_s[h] + chains.further_tokens * chains.token_s[h]
        if work_s > 0:
            free = 1 - others.prompt_share[h] - chains.further_tokens * others.token_share[h]
            most_per_s = min(most_per_s, max(LEAST_FREE, free) / work_s)
    return most_per_s


@compiled
def _own_per_s(k: int, n: int, low: float, most_per_s: float, chains: SharedChains, others: Background) -> float:
    """Return the rate u with u S_k(u) = n, from `low` to `most_per_s`.

    S_k never falls, so u is at most n/S_k(low). The root is found by regula falsi (Illinois).
    """
    low_s, moved = pace(k, low, chains, others).service_s, 0
    middle = min(most_per_s, n / low_s)
    low_gap, high, high_gap = low * low_s - n, middle, middle * pace(k, middle, chains, others).service_s - n
    gap = high_gap
    for _ in range(STEPS):
        if abs(gap) <= ROOT_TOLERANCE * n or high_gap <= 0:
            break
        middle = low + (high - low) * low_gap / (low_gap - high_gap)
        gap = middle * pace(k, middle, chains, others).service_s - n
        if gap < 0:
            high_gap /= 2 if moved < 0 else 1
            low, low_gap, moved = middle, gap, -1
        else:
            low_gap /= 2 if moved > 0 else 1
            high, high_gap, moved = middle, gap, 1
    return middle


@compiled
def _loss(arrival_per_s: float, occupied_per_s: Floats) -> tuple[float, float]:
    """Return the chance that a chain is full, and its mean number of jobs.

    Jobs that find it full are lost.
    """
    weight, total, jobs = 1.0, 1.0, 0.0
    for n in range(occupied_per_s.size):
        weight *= arrival_per_s / occupied_per_s[n]
        total += weight
        jobs += (n + 1) * weight
        if total > HUGE:
            weight, total, jobs = weight / HUGE, total / HUGE, jobs / HUGE
    return weight / total, jobs / total


@compiled
def _first_token_s(k: int, rate_per_s: float, jobs: float, chains: SharedChains, others: Background) -> float:
    """Return the mean time from start to first token on chain k.

    By Little's law a job takes jobs/rate. What is beyond the prompt's own time is shared by the rounds of further
    tokens, and a prompt waits for further tokens of other jobs for `PROMPT_WAITS` of what a round waits for them.
    """
    prompt_s = pace(k, rate_per_s, chains, others).first_token_s
    if rate_per_s <= 0:
        return prompt_s
    alone_s, tokens = token_alone_s(k, chains), chains.further_tokens
    round_s = (jobs / rate_per_s - prompt_s + PROMPT_WAITS * alone_s) / (tokens + PROMPT_WAITS)
    return prompt_s + PROMPT_WAITS * max(0.0, round_s - alone_s)
