"""A lower bound on the mean response time of any scheme: every job on the fastest possible chain, all memory pooled.

No job of size 1 is served faster than on the fastest chain that the servers could form if there were no other job.
Each job in service holds a cache slot for each of the L blocks, and every block must be hosted at least once, so no
more than C = floor((Σ M_j - s_m L) / (s_c L)) jobs are in service at once. With exponential sizes, which no scheme here
knows, the number of jobs present is then at least that of an M/M/C queue with rate 1/T of the fastest chain.
"""

import numpy as np

from algorithms.placement.reservation import reserving_block_count
from evaluators.queueing.exact import exact
from system import InfeasibleError, System, UnstableError


def response_floor_s(system: System) -> float:
    """The mean response time of that M/M/C queue; raises if no scheme is feasible or stable."""
    chain_s, slots = fastest_chain_s(system), system.pooled_jobs(system.model.block_count)
    if not (np.isfinite(chain_s) and slots >= 1):
        raise InfeasibleError("the servers together cannot host the model and one job's cache; add servers")
    if system.arrival_rate_per_s >= slots / chain_s:
        raise UnstableError(
            f"arrival_rate_per_s = {system.arrival_rate_per_s:g}: no scheme serves more than {slots / chain_s:g}/s on "
            "these servers; lower the rate or add servers"
        )
    return exact(system.arrival_rate_per_s, [1 / chain_s], [slots]).mean_response_s


def fastest_chain_s(system: System) -> float:
    """The least Σ (τc_j + τp_j k_j) over servers that together run L blocks, each beside one job's cache (a knapsack).

    Infinite if they cannot.
    """
    blocks = system.model.block_count
    least_s = np.full(blocks + 1, np.inf)  # to run that many blocks on the servers seen so far
    least_s[0] = 0.0
    for j, most in enumerate(reserving_block_count(system, 1).tolist()):
        before_s = least_s.copy()
        for k in range(1, most + 1):
            visit_s = system.communication_s[j] + system.block_s[j] * k
            least_s[k:] = np.minimum(least_s[k:], before_s[: blocks + 1 - k] + visit_s)
    return float(least_s[blocks])
