"""The placements of PETALS and BPRR in plain loops, as specified; blocks are counted from 0."""

import math
from itertools import accumulate

from system import System


def petals(
    throughput: list[float], block_count: list[int], model_blocks: int, order: list[int], *, by_sum: bool = False
) -> list[int]:
    """Return the first blocks a_j of servers that join in this order.

    Each joins at the window of least throughput, comparing the weakest block first. Sums of the same numbers in another
    order differ in their last bits, so sums are taken block after block.
    """
    theta, first = [0.0] * model_blocks, [0] * len(block_count)
    for j in order:
        m = block_count[j]
        starts = range(model_blocks - m + 1)
        windows = [theta[i : i + m] for i in starts]
        values = [list(accumulate(window))[-1:] if by_sum else sorted(window) for window in windows]
        first[j] = min(starts, key=lambda i: (values[i], i))
        for b in range(first[j], first[j] + m):
            theta[b] += throughput[j]
    return first


def cg_bp(system: System, sessions: int) -> tuple[list[int], list[int]] | None:
    """Return a_j and m_j of CG-BP for R sessions.

    The result is None if some block is served for fewer sessions.
    """
    model, memory_gb = system.model, system.servers.memory_gb.tolist()
    output_tokens = system.mean_job[2] + 1
    per_block_gb = model.block_memory_gb + model.cache_memory_gb * sessions
    m = [min(math.floor(gb / per_block_gb * (1 + 1e-12)), model.block_count) for gb in memory_gb]
    servers = [j for j in range(len(m)) if m[j] > 0]
    visit_s = {j: (system.communication_s[j] + system.block_s[j] * m[j]) / m[j] for j in servers}
    free_gb = {j: memory_gb[j] - model.block_memory_gb * m[j] for j in servers}
    hosts = {j: math.floor(free_gb[j] / (model.cache_memory_gb * m[j]) * (1 + 1e-12)) for j in servers}
    slowest_s = max(visit_s.values(), default=0.0) + 1e-3 * output_tokens  # 1 ms more per token
    served, time_s = [0] * model.block_count, [sessions * slowest_s] * model.block_count
    first = [0] * len(m)
    for j in sorted(servers, key=lambda j: (visit_s[j], j)):
        first[j] = _window(served, time_s, sessions, m[j])
        for b in range(first[j], first[j] + m[j]):
            time_s[b] -= (slowest_s - visit_s[j]) * min(max(sessions - served[b], 0), hosts[j])
            served[b] += hosts[j]
    return None if min(served) < sessions else (first, m)


def _window(served: list[int], time_s: list[float], sessions: int, length: int) -> int:
    """Return the start of the next window.

    While a block lacks sessions, it is the window with the largest sum of times among those with such a block. After
    that, it is the window that is served least.
    """
    starts = range(len(served) - length + 1)
    if min(served) >= sessions:
        return min(starts, key=lambda a: (sorted(served[a : a + length]), a))
    lacking = [a for a in starts if min(served[a : a + length]) < sessions]
    return max(lacking, key=lambda a: (math.fsum(time_s[a : a + length]), -a))
