"""CG-BP, conservative greedy block placement of BPRR (Sun et al., Performance Evaluation 2025, Alg. 1, lines 1-9)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from algorithms.placement.reservation import by_amortised_time, reserving_block_count
from algorithms.placement.windows import weakest_window, windows
from system import InfeasibleError, Placement, System

# Every session starts on a virtual server, which is slower than the slowest server by this many seconds per token.
VIRTUAL_S_PER_TOKEN = 1e-3


@dataclass(frozen=True)
class CgBp:
    """Placement of servers one after the other, the fastest first.

    Until every block is served for R sessions, each server takes the blocks that gain the most time. The servers after
    that go where the fewest sessions are served. R is the `reserved_capacity`. A server has room for R sessions on all
    of its blocks, so a block lacks sessions at the end only if no server hosts it. The authors' simulator checks that.
    """

    deterministic: ClassVar[bool] = True

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator | None = None) -> Placement:
        """Return the placement; raise `InfeasibleError` if some block is served for fewer sessions."""
        block_count = reserving_block_count(system, reserved_capacity)
        sessions = Placement(np.zeros_like(block_count), block_count).cache_slots(system) // np.maximum(block_count, 1)
        order, amortised_s = by_amortised_time(system, reserved_capacity)
        slowest_s = amortised_s.max(initial=0.0) + VIRTUAL_S_PER_TOKEN * (system.mean_job[2] + 1)
        served = np.zeros(system.model.block_count, np.int64)  # C_b
        time_s = np.full(system.model.block_count, reserved_capacity * slowest_s)  # of each block, over all R sessions
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
    """Return the first block of the next server, the first of equals.

    While some block lacks sessions, it is the window with the largest total time among those with such a block.
    After that, it is the window where the fewest sessions are served.
    """
    lacking = served < sessions
    if lacking.any():
        gain_s, helps = windows(time_s, length).sum(axis=1), windows(lacking, length).any(axis=1)
        return int(np.where(helps, gain_s, -np.inf).argmax())
    return weakest_window(served, length)


def _check_served(served: NDArray[np.int64], sessions: int) -> None:
    short = np.flatnonzero(served < sessions)
    if short.size:
        raise InfeasibleError(
            f"R = {sessions}: the servers hold fewer sessions on {short.size} of {served.size} blocks, the first of "
            f"them block {short[0]}; add servers or lower the arrival rate"
        )
