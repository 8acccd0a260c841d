"""The optimal cache allocation over GCA's chains, an integer linear program (ILP).

It is problem (5) for a given placement, solved by HiGHS. The chains are those that GCA finds. So it is the reference of
the paper's Fig. 2, but not the optimum over all paths of a placement.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, milp

from algorithms.allocation.gca import gca
from system import Composition, InfeasibleError, Placement, System


def ilp(system: System, placement: Placement) -> Composition:
    """Return GCA's chains with the smallest total capacity that reaches the rate λ/ρ̄.

    The capacities satisfy (3); chains with capacity 0 are left out. Raises `InfeasibleError` if there is no chain, or
    if no capacities reach the rate.
    """
    chains = gca(system, placement)
    blocks, slots = slots_of_jobs(chains), placement.cache_slots(system)
    capacity = least_capacities(chains.service_rate_per_s, system.required_rate_per_s, blocks, slots)
    used = np.flatnonzero(capacity)
    return replace(chains.only(used), capacity=capacity[used])


def slots_of_jobs(composition: Composition) -> NDArray[np.int64]:
    """Return (J, K) the slots that a job on chain k takes."""
    blocks = np.zeros((len(composition.system.servers), len(composition)), dtype=np.int64)
    chain = np.repeat(np.arange(len(composition)), np.diff(composition.hop_start))
    blocks[composition.hop_server, chain] = composition.hop_charged
    return blocks


def least_capacities(
    rate_per_s: NDArray[np.float64], required_per_s: float, blocks: NDArray[np.int64], slots: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return (K,) the capacities c_k with the smallest sum that reach a rate.

    They are whole numbers with Σ μ_k c_k >= `required_per_s` and `blocks` @ c <= `slots` (3). The rates are divided by
    the largest one, so that the solver's tolerances (1e-6) are relative. Raises `InfeasibleError` if there are no such
    capacities.
    """
    relative, fastest_per_s = rate_per_s / rate_per_s.max(), rate_per_s.max()
    solved = milp(
        np.ones(rate_per_s.size),
        integrality=np.ones(rate_per_s.size, dtype=np.int64),
        constraints=[LinearConstraint(relative, lb=required_per_s / fastest_per_s), LinearConstraint(blocks, ub=slots)],
        options={"mip_rel_gap": 0},
    )
    if solved.x is None:
        raise InfeasibleError(
            f"required rate = {required_per_s:g}/s: no capacities of the {rate_per_s.size} "
            f"chain{'s' * (rate_per_s.size != 1)} reach it within the cache slots, {slots.sum()} in all; "
            "lower the arrival rate or add servers"
        )
    return np.rint(solved.x).astype(np.int64)
