"""GBP-CR, greedy block placement with cache reservation (paper Alg. 1)."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from system import Placement, System
from system.checks import floor_with_slack, require, require_count

STOP_RULES = ("max_chains", "required_rate")


@dataclass(frozen=True)
class GbpCr:
    """Disjoint chains of the servers with the least amortised time per block, each with room for c jobs.

    `required_rate` stops, as Alg. 1 is printed, once the chains' rate reaches λ/(ρ̄c); `max_chains` goes on while
    servers last. Servers of an incomplete last chain keep their blocks: GCA may route through them.
    """

    stop_rule: str = "max_chains"

    def __post_init__(self) -> None:
        require(self.stop_rule in STOP_RULES, "stop_rule", self.stop_rule, f"choose one of {', '.join(STOP_RULES)}")

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
        require_count(reserved_capacity=reserved_capacity)
        model = system.model
        per_block_gb = model.block_memory_gb + model.cache_memory_gb * reserved_capacity
        block_count = np.minimum(floor_with_slack(system.servers.memory_gb / per_block_gb), model.block_count)  # (6)
        time_s = system.communication_s + system.block_s * block_count  # t_j(c)
        usable = np.flatnonzero(block_count)
        order = usable[np.argsort(time_s[usable] / block_count[usable], kind="stable")]  # (8), ties by index
        enough = system.required_rate_per_s / reserved_capacity if self.stop_rule == "required_rate" else np.inf
        first_block, hosted, chain_s = _form_chains(order, block_count, time_s, model.block_count, enough)
        return Placement(first_block, hosted, reserved_capacity, chain_s)


@njit(cache=True)
def _form_chains(
    order: NDArray[np.int64],
    block_count: NDArray[np.int64],
    time_s: NDArray[np.float64],
    model_blocks: int,
    enough_rate_per_s: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Lines 3-14 of Alg. 1, blocks counted from 0: `a` is the next block that the current chain needs."""
    first_block = np.zeros_like(block_count)
    hosted = np.zeros_like(block_count)
    chain_s = np.empty(order.size)
    chains, a, chain_time_s, rate_per_s = 0, 0, 0.0, 0.0
    for j in order:
        first_block[j] = min(a, model_blocks - block_count[j])
        hosted[j] = block_count[j]
        a = min(a + block_count[j], model_blocks)
        chain_time_s += time_s[j]
        if a == model_blocks:
            chain_s[chains] = chain_time_s
            rate_per_s += 1 / chain_time_s
            chains, a, chain_time_s = chains + 1, 0, 0.0
            if rate_per_s >= enough_rate_per_s:
                break
    return first_block, hosted, chain_s[:chains].copy()
