"""The share of jobs whose response takes too long, for every prefix of a row of chains, compiled for searches.

It is `ExactResponse.tail` of each prefix, from one pass of the recursion (`prefix_means`).
"""

import numpy as np

from algorithms.composition_search.values import PREFIX_VALUES
from evaluators.queueing.prefixes.prefix_means import LEAST_SPARE, SAME_RATE, pass_chain, set_nodes, set_shift
from system.code.compiler import compiled


@compiled(inline=True)
def _two_stage_tail(time_s, first_rate, second_rate):  # type: ignore[no-untyped-def]
    """Return P(Exp(first) + Exp(second) > t), also for nearly or exactly equal rates."""
    slow, fast = min(first_rate, second_rate), max(first_rate, second_rate)
    gap = fast - slow
    delay = -np.expm1(-gap * time_s) / gap if gap > 0 else time_s
    return np.exp(-slow * time_s) * (1 + slow * delay)


@compiled(PREFIX_VALUES)
def prefix_tails(arrival_rate, time_s, capacity, count, settings, scratch, share):  # type: ignore[no-untyped-def]
    """Write the share of jobs with a response above `settings[0]` s; infinite if unstable."""
    limit_s = settings[0]
    set_nodes(arrival_rate, time_s[count - 1], scratch)
    blocked, total_rate, immediate, rate = 1.0, 0.0, 0.0, np.inf
    for k in range(count):
        if 1 / time_s[k] < rate * (1 - SAME_RATE):
            rate = 1 / time_s[k]
            set_shift(arrival_rate, rate, scratch)
        beyond = pass_chain(arrival_rate, rate, capacity[k], blocked, scratch)
        immediate += (blocked - beyond) * np.exp(-rate * limit_s)
        blocked = beyond
        total_rate += capacity[k] * rate
        spare = total_rate - arrival_rate
        share[k] = np.inf
        if spare > LEAST_SPARE * total_rate:
            waited = 0.0
            for i in range(k + 1):
                waited += capacity[i] / time_s[i] * _two_stage_tail(limit_s, spare, 1 / time_s[i])
            late = blocked * (1 + arrival_rate / spare) * waited / total_rate
            share[k] = (immediate + late) / (1 + blocked * arrival_rate / spare)
