"""The optimum of the placement problem (7) as set packing, for small clusters.

As stated, (7) is not a mixed-integer linear program: a chain's rate is the reciprocal of a sum over its servers. If all
possible chains are listed, the rate of each is a number, and choosing disjoint chains is linear. Minimal chains, in
which every server is needed to host all blocks, suffice: leaving out a server that is not needed makes a chain faster,
and the chain remains disjoint from the others.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from algorithms.placement.reservation import form_best_chains, reserving_block_count, visit_s
from system import NotApplicableError, Placement, System
from system.checks import SLACK
from system.random_streams import deterministic

MOST_SERVERS = 14  # 16,384 sets of servers, of which up to 3,432 are minimal chains


@deterministic
def set_packing(system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
    """Return the fewest disjoint chains of c jobs each that reach λ/ρ̄.

    Of several such sets of chains, it is the one with the largest rate. The largest rate of one chain, of two chains,
    and so on is computed until it is enough. Raises `InfeasibleError` if it never is, and `NotApplicableError` if there
    are too many servers to list all chains, or if hops are direct, because the time of a chain then depends on the
    order of its servers.
    """
    system.require_hub("placement = set_packing", "use forwarding=hub or placement=gbp_cr")
    if len(system.servers) > MOST_SERVERS:
        raise NotApplicableError(
            f"placement = set_packing: {len(system.servers)} servers have too many minimal chains to list; "
            f"use at most {MOST_SERVERS} servers, or another placement"
        )
    block_count, model_blocks = reserving_block_count(system, reserved_capacity), system.model.block_count
    is_member = _minimal_covers(block_count, model_blocks)
    rate_per_s = 1 / (is_member @ visit_s(system, reserved_capacity))
    enough_per_s = system.required_rate_per_s / reserved_capacity * (1 - SLACK)
    for most in range(1, block_count.sum() // model_blocks + 1):
        chosen = _fastest_disjoint(is_member, rate_per_s, most)
        if rate_per_s[chosen].sum() >= enough_per_s:
            return form_best_chains(system, reserved_capacity, [np.flatnonzero(row) for row in is_member[chosen]])
    return form_best_chains(system, reserved_capacity, [])


def _minimal_covers(block_count: NDArray[np.int64], model_blocks: int) -> NDArray[np.bool_]:
    """Return (sets, J) the minimal sets of servers that host the whole model.

    Without any one of its servers, a minimal set does not host the whole model.
    """
    sets = np.arange(1 << block_count.size)
    is_member = (sets[:, None] >> np.arange(block_count.size) & 1).astype(bool)
    hosted = is_member @ block_count
    least = np.where(is_member, block_count, model_blocks).min(axis=1)
    return is_member[(hosted >= model_blocks) & (hosted - least < model_blocks)]


def _fastest_disjoint(is_member: NDArray[np.bool_], rate_per_s: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return the indices of at most `most` disjoint sets with the largest total rate."""
    once_each = LinearConstraint(is_member.T.astype(float), ub=1)
    few = LinearConstraint(np.ones(rate_per_s.size), ub=most)
    relative = rate_per_s / rate_per_s.max()
    solved = milp(
        -relative,
        integrality=np.ones(rate_per_s.size, dtype=np.int64),
        bounds=Bounds(0, 1),
        constraints=[once_each, few],
        options={"mip_rel_gap": 0},
    )
    assert solved.x is not None  # choosing no set is always a solution
    return np.flatnonzero(np.rint(solved.x))
