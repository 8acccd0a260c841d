"""CG-BP, conservative greedy block placement of BPRR (Sun et al., Performance Evaluation 2025, Alg. 1, lines 1-9)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.placement.reservation import by_amortised_time, reserving_block_count
from algorithms.placement.windows import weakest_window
from system import InfeasibleError, Placement, System

VIRTUAL_S_PER_TOKEN = 1e-3  # by how much the virtual server, of which everybody begins, is slower than the slowest


@dataclass(frozen=True)
class CgBp:
    """Fast servers first; each takes the blocks that gain most, until every block is served for R sessions.

    R is the `reserved_capacity`. Once all blocks are, the others go where the fewest sessions are served.
    """

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
        block_count = reserving_block_count(system, reserved_capacity)
        sessions = Placement(np.zeros_like(block_count), block_count).cache_slots(system) // np.maximum(block_count, 1)
        order, amortised_s = by_amortised_time(system, reserved_capacity)
        slowest_s = amortised_s.max(initial=0.0) + VIRTUAL_S_PER_TOKEN * (system.mean_job[2] + 1)
        served = np.zeros(system.model.block_count, np.int64)  # C_b
        time_s = np.full(system.model.block_count, reserved_capacity * slowest_s)  # of all R sessions, by block
        first_block = np.zeros_like(block_count)
        for j, per_block_s in zip(order, amortised_s, strict=True):
            first_block[j] = _window(served, time_s, reserved_capacity, block_count[j])
            window = slice(first_block[j], first_block[j] + block_count[j])
            lacking = np.maximum(reserved_capacity - served[window], 0)
            time_s[window] -= (slowest_s - per_block_s) * np.minimum(lacking, sessions[j])
            served[window] += sessions[j]
        _check_served(served, reserved_capacity)
        return Placement(first_block, block_count, reserved_capacity)


def _window(served: NDArray[np.int64], time_s: NDArray[np.float64], sessions: int, length: int) -> int:
    """The first block of a server: where it shortens most while some block lacks sessions, then where fewest are."""
    lacking = served < sessions
    if lacking.any():
        gain_s = np.lib.stride_tricks.sliding_window_view(time_s, length).sum(axis=1)
        helps = np.lib.stride_tricks.sliding_window_view(lacking, length).any(axis=1)
        return int(np.where(helps, gain_s, -np.inf).argmax())
    return weakest_window(served, length)


def _check_served(served: NDArray[np.int64], sessions: int) -> None:
    short = np.flatnonzero(served < sessions)
    if short.size:
        raise InfeasibleError(
            f"R = {sessions}: {short.size} of {served.size} blocks, the first is block {short[0]}, are served for "
            "fewer sessions; add servers or lower the arrival rate"
        )
