"""The estimate of the mean response time by which the authors' simulator chooses c.

It is no bound and no limit, so it never replaces the theory; it exists to follow the published runs. Symbols are the
paper's, with chains 1 .. K from fast to slow: capacities c_k, times T_k, rates μ_k = 1/T_k, ν = Σ c_k μ_k, C = Σ c_k,
load ρ = λ/ν and target load ρ̄.
"""

import numpy as np

from system.errors import InfeasibleError
from system.layout import Layout

SLOW = 1.3  # a chain is slow if it takes more than so many times as long as the fastest
SLOW_SHARE = 0.3  # of C, above which slow chains count
PENALTY = 0.15
SINGLE_CHAIN = 0.3  # factor of the queueing term if K = 1


def published_estimate_s(layout: Layout) -> float:
    """Return the estimate T̄ (1 + ρ / ((1-ρ) C)).

    T̄ is the mean time of jobs that fill the chains up to ρ̄ c_k μ_k each, fastest first. If the slowest chain takes more
    than 1.3 times as long as the fastest, and more than 0.3 of C is on such chains, T̄ is multiplied by
    1 + 0.15 (T_K/T_1 - 1.3) times their share. For one chain the queueing term is multiplied by 0.3.

    Raises `InfeasibleError` unless ν >= λ/ρ̄, the condition of the authors' simulator. If no c satisfies it, the
    simulator takes the c with the largest ν; here there is no result. Its second use of the sorting index on capacities
    is left out, because GCA finds chains fastest first.
    """
    chains = layout.composition()
    rate, target, service_s = chains.system.arrival_rate_per_s, chains.system.target_load, chains.mean_service_s
    if chains.total_rate_per_s < chains.system.required_rate_per_s:
        raise InfeasibleError(
            f"total service rate = {chains.total_rate_per_s:g}/s: the target load requires "
            f"{chains.system.required_rate_per_s:g}/s; lower the arrival rate or add servers"
        )
    filled = np.minimum(np.cumsum(target * chains.capacity / service_s), rate)
    mean_s = np.diff(filled, prepend=0.0) @ service_s / rate
    ratio, slots, load = service_s[-1] / service_s[0], chains.total_capacity, chains.load
    slow_share = chains.capacity[service_s > SLOW * service_s[0]].sum() / slots
    if slow_share > SLOW_SHARE:
        mean_s *= 1 + PENALTY * (ratio - SLOW) * slow_share
    queueing = load / ((1 - load) * slots) * (SINGLE_CHAIN if len(chains) == 1 else 1)
    return float(mean_s * (1 + queueing))
