"""Chains whose servers compute one step at a time, taken one after another, each with the others as background.

Delays are constant and servers compute in order of arrival, so no token overtakes another on a chain: all tokens behind
a prompt wait for it at every server. Jobs on chain k compute a prompt for P_j and a further token for d_j at server j,
and communicate for δP and δ in all. With the rates λ_l of all chains and M further tokens in the mean,

    r_j = Σ_l λ_l P_lj           share of the time for prompts at server j
    P0  = Π_j (1 - r_j)          chance that no server of the chain computes a prompt
    s_j = M Σ_l λ_l d_lj / P0    share of the remaining time for further tokens
    L   = δ + Σ_j d_j (1 + s_j/(1 - s_j) · d_j/ℓ)     a round of one further token, with ℓ = δ + Σ_j d_j

Λ is the rate of all chains that share a server with chain k, Y_l the time of a prompt of chain l at the servers that it
shares, and v the squared coefficient of variation of a prompt's time. Then

    y  = (1 - P0)/(Λ P0)                                   time that passing prompts take, for each gap between them
    f  = Λ P0 (y²/L)(1 - exp(-L/y))                        share of a round that they take
    w1 = max_j Σ_l λ_l P_lj² (1 + v)/2/(1 - r_j)           waiting for prompts where a prompt waits longest
    w2 = v/2 · Σ_l λ_l (Y_l - max_j P_j)²/(1 - max_j r_j)  waiting for them at later servers
    q  = Σ_l λ_l Y_l/Λ - max_j r_j/Λ                       the rest of the path of a mean prompt
    x  = min(max_j r_j (max_j r_j/Λ + w1) + Λq²/(1 + Λq), (1 - P0) y) · exp(-δ/y)   prompts behind the first token
    S  = δP + Σ_j P_j + w1 + w2 + (M L + x)/(1 - f)        time of a job

The formulas are approximations that were chosen on simulated systems; docs/interference.md states how accurate they are
on others.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from system.code.compiler import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_BUSY = 0.98  # share of the time of a server for prompts, or of the rest for further tokens, in the formulas
MOST_STRETCHED = 0.99  # share of a round that passing prompts take


class SharedChains(NamedTuple):
    """K chains, fastest first, with the times of the mean job alone.

    The hops of chain k are `hop_start[k]:hop_start[k + 1]`; the next three arrays are (hops,).
    """

    hop_start: Ints
    hop_server: Ints
    prompt_s: Floats  # P
    token_s: Floats  # d
    prompt_travel_s: Floats  # (K,), δP
    token_travel_s: Floats  # (K,), δ
    capacity: Ints  # (K,)
    shared_prompt_s: Floats  # (K, K), time of a prompt of chain l at the servers that it shares with chain k
    largest_prompt_s: Floats  # (K,), the longest time of a prompt at one server
    prompt_cv2: float  # squared coefficient of variation of the time of a prompt
    further_tokens: float  # M


class Background(NamedTuple):
    """What the jobs of other chains do at the servers of one chain; the arrays are (hops,) of all chains."""

    prompt_share: Floats  # Σ λ_l P_lj
    prompt_square_s: Floats  # Σ λ_l P_lj²
    token_share: Floats  # Σ λ_l d_lj
    totals: Floats  # (K, 3): Σ λ_l, Σ λ_l Y_l and Σ λ_l (Y_l - max P)² over chains l that share a server, Y in s


class Pace(NamedTuple):
    """Mean times of a job on a chain, in s."""

    first_token_s: float  # from its start, without waiting for further tokens of other jobs
    service_s: float


class Prompts(NamedTuple):
    """Prompts on the servers of a chain."""

    none: float  # P0
    busiest: float  # the largest share of the time of a server
    own_s: float  # time of a prompt of the chain, alone
    queue_s: float  # waiting of a prompt for prompts where it waits longest


@compiled
def pace(k: int, rate_per_s: float, chains: SharedChains, others: Background) -> Pace:
    """Return the times of a job on chain k at its rate `rate_per_s`."""
    prompts = _prompts(k, rate_per_s, chains, others)
    round_s = _round_s(k, rate_per_s, prompts.none, chains, others)
    all_per_s = others.totals[k, 0] + rate_per_s
    rest_s = max(prompts.own_s - chains.largest_prompt_s[k], 0.0)
    spread_s = others.totals[k, 2] + rate_per_s * rest_s**2
    later_queues_s = chains.prompt_cv2 / 2 * spread_s / (1 - prompts.busiest)
    first_token_s = chains.prompt_travel_s[k] + prompts.own_s + prompts.queue_s + later_queues_s
    if all_per_s <= 0 or prompts.none == 1 or round_s == 0:
        return Pace(first_token_s, first_token_s + chains.further_tokens * round_s)
    gap_s = (1 - prompts.none) / (all_per_s * prompts.none)
    stretched = all_per_s * prompts.none * gap_s**2 / round_s * -np.expm1(-round_s / gap_s)
    behind_s = _behind_s(k, rate_per_s, gap_s, prompts, chains, others)
    decoding_s = (chains.further_tokens * round_s + behind_s) / (1 - min(MOST_STRETCHED, stretched))
    return Pace(first_token_s, first_token_s + decoding_s)


@compiled
def _prompts(k: int, rate_per_s: float, chains: SharedChains, others: Background) -> Prompts:
    none, busiest, own_s, queue_s = 1.0, 0.0, 0.0, 0.0
    for h in range(chains.hop_start[k], chains.hop_start[k + 1]):
        prompt_s = chains.prompt_s[h]
        share = min(MOST_BUSY, others.prompt_share[h] + rate_per_s * prompt_s)
        square_s = (others.prompt_square_s[h] + rate_per_s * prompt_s**2) * (1 + chains.prompt_cv2)
        none *= 1 - share
        busiest = max(busiest, share)
        own_s += prompt_s
        queue_s = max(queue_s, square_s / 2 / (1 - share))
    return Prompts(none, busiest, own_s, queue_s)


@compiled
def _round_s(k: int, rate_per_s: float, no_prompt: float, chains: SharedChains, others: Background) -> float:
    """Return the time L of a further token while no prompt passes."""
    alone_s = token_alone_s(k, chains)
    round_s = alone_s
    for h in range(chains.hop_start[k], chains.hop_start[k + 1]):
        token_s = chains.token_s[h]
        share = chains.further_tokens * (others.token_share[h] + rate_per_s * token_s) / no_prompt
        share = min(MOST_BUSY, share)
        if token_s > 0:
            round_s += token_s * share / (1 - share) * token_s / alone_s
    return round_s


@compiled
def token_alone_s(k: int, chains: SharedChains) -> float:
    """Return the time ℓ of a further token on chain k without other jobs."""
    alone_s = chains.token_travel_s[k]
    for h in range(chains.hop_start[k], chains.hop_start[k + 1]):
        alone_s += chains.token_s[h]
    return alone_s


@compiled
def _behind_s(
    k: int, rate_per_s: float, gap_s: float, prompts: Prompts, chains: SharedChains, others: Background
) -> float:
    """Return how long prompts behind the first token hold up the second."""
    all_per_s = others.totals[k, 0] + rate_per_s
    mean_s = prompts.busiest / all_per_s
    rest_s = max((others.totals[k, 1] + rate_per_s * prompts.own_s) / all_per_s - mean_s, 0.0)
    follow_s = prompts.busiest * (mean_s + prompts.queue_s) + all_per_s * rest_s**2 / (1 + all_per_s * rest_s)
    return min(follow_s, (1 - prompts.none) * gap_s) * np.exp(-chains.token_travel_s[k] / gap_s)
