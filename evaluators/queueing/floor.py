"""A lower bound on the mean response time of any scheme.

The bound puts every job on the fastest possible chain and pools all memory. A job of size 1 takes at least the time of
the fastest chain that the servers could form without any other job. Every job in service holds a cache slot for each of
the L blocks, and every block must be hosted at least once, so at most C = floor((Σ M_j - s_m L) / (s_c L)) jobs are in
service at once. Sizes are exponential, and no scheme here knows them. So the number of jobs present is at least that of
an M/M/C queue with rate 1/T of the fastest chain.
"""

import numpy as np

from algorithms.placement.reservation import reserving_block_count
from evaluators.queueing.theorem4 import theorem4
from system import InfeasibleError, System, UnstableError


def response_floor_s(system: System) -> float:
    """Return the mean response time of the M/M/C queue of the bound.

    Raises `InfeasibleError` or `UnstableError` if no scheme is feasible or stable.
    """
    chain_s, slots = fastest_chain_s(system), system.pooled_jobs(system.model.block_count)
    if not (np.isfinite(chain_s) and slots >= 1):
        raise InfeasibleError("the servers together cannot host the model and one job's cache; add servers")
    if system.arrival_rate_per_s >= slots / chain_s:
        raise UnstableError(
            f"arrival_rate_per_s = {system.arrival_rate_per_s:g}: no scheme serves more than {slots / chain_s:g}/s on "
            "these servers; lower the rate or add servers"
        )
    return theorem4(system.arrival_rate_per_s, [1 / chain_s], [slots]).lower_s  # of one chain, both bounds are M/M/C


def fastest_chain_s(system: System) -> float:
    """Return the least time in which servers can run one job's L blocks.

    It is the least sum Σ (τc_j + τp_j k_j) over servers j that run k_j blocks each, L in all. Each of them has room for
    one job's cache beside its blocks; the problem is a knapsack. The time is infinite if the servers cannot run all
    blocks.
    """
    system.require_hub("the time of the fastest chain")
    blocks = system.model.block_count
    least_s = np.full(blocks + 1, np.inf)  # the least time to run as many blocks as the index says on servers so far
    least_s[0] = 0.0
    for j, most in enumerate(reserving_block_count(system, 1).tolist()):
        before_s = least_s.copy()
        for k in range(1, most + 1):
            visit_s = system.communication_s[j] + system.block_s[j] * k
            least_s[k:] = np.minimum(least_s[k:], before_s[: blocks + 1 - k] + visit_s)
    return float(least_s[blocks])
