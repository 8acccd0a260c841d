"""The optimal cache allocation over GCA's chains, an integer linear program: problem (5) for a given placement.

Solved by HiGHS. The chains are those that GCA finds, so this is the reference of the paper's Fig. 2 and no optimum over
all the paths that a placement has.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, milp

from algorithms.allocation.gca import gca
from system import Composition, InfeasibleError, Placement, System


def ilp(system: System, placement: Placement) -> Composition:
    """The capacities of GCA's chains with the fewest slots that reach λ/ρ̄ within (3); chains with 0 are left out.

    Raises `InfeasibleError` if there is no chain or no such capacities.
    """
    chains = gca(system, placement)
    blocks, slots = blocks_run(chains), placement.cache_slots(system)
    capacity = fewest_slots(chains.service_rate_per_s, system.required_rate_per_s, blocks, slots)
    used = np.repeat(capacity > 0, np.diff(chains.hop_start))
    start = np.concatenate([[0], np.cumsum(np.diff(chains.hop_start)[capacity > 0])])
    hops = chains.hop_server[used], chains.hop_blocks[used], start
    return Composition.of_hops(system, placement, *hops, capacity[capacity > 0])


def blocks_run(composition: Composition) -> NDArray[np.int64]:
    """(J, K) the blocks that chain k runs at server j."""
    blocks = np.zeros((len(composition.system.servers), len(composition)), dtype=np.int64)
    chain = np.repeat(np.arange(len(composition)), np.diff(composition.hop_start))
    blocks[composition.hop_server, chain] = composition.hop_blocks
    return blocks


def fewest_slots(
    rate_per_s: NDArray[np.float64], required_per_s: float, blocks: NDArray[np.int64], slots: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(K,) whole c_k with the least sum such that Σ μ_k c_k >= `required_per_s` and `blocks` @ c <= `slots` (3).

    Rates are scaled by the largest one, so that the solver's tolerances (1e-6) are relative.
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
            f"no capacities of the {rate_per_s.size} chains serve the required {required_per_s:g}/s within the "
            f"{slots.sum()} cache slots; lower the arrival rate or add servers"
        )
    return np.rint(solved.x).astype(np.int64)
