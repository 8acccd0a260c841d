"""Least work: the time of a chain alone, plus a share of the work that its servers have outstanding.

A job on chain k takes the time T_k alone. Under service models in which a server computes one step at a time it also
waits for the jobs that are there. Server j has the work w_j = Σ_l busy_l W_lj outstanding, where W_lj is the time that
a mean job of chain l computes at j, without communication. The policy takes the free chain with the least

    T_k + weight · max over j in k of w_j + other_weight · (Σ over j in k of w_j - max over j in k of w_j).

`dispatch=least_work` has the weights 1/2 and 0: only the most loaded server counts. `dispatch=least_path_work` has 1/2
and 1/2, so that all servers of the chain count. The weight is 1/2, as jobs in service have on average done about half
of their work. The rule is ours. It follows the idea that a job should go where it gains the most service rate (arXiv
2411.17103); JFFC looks at T_k alone.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from system import Composition
from system.checks import require_not_negative
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch


@compiled(DISPATCH)
def least_work(busy, queued, waiting, capacity, rate_per_s, settings, uniform):  # type: ignore[no-untyped-def]
    """Return the free chain with the least time, or -1 for the central queue.

    Of equal chains it is the fastest. `settings` are those of `hop_lists`.
    """
    count = capacity.size
    hops = int(settings[count])
    weight, other_weight = settings[count + 1], settings[count + 2]
    begin = count + 3
    end, chain, work_s = begin + hops, begin + 2 * hops, begin + 3 * hops
    least_s, best = 1e300, -1
    for k in range(count):
        if busy[k] == capacity[k]:
            continue
        alone_s = 1 / rate_per_s[k]
        if alone_s >= least_s:
            break  # so are all later chains
        most_s, total_s = 0.0, 0.0
        for h in range(int(settings[k]), int(settings[k + 1])):
            outstanding_s = 0.0
            for i in range(int(settings[begin + h]), int(settings[end + h])):
                outstanding_s += busy[int(settings[chain + i])] * settings[work_s + i]
            most_s = max(most_s, outstanding_s)
            total_s += outstanding_s
        expected_s = alone_s + weight * most_s + other_weight * (total_s - most_s)
        if expected_s < least_s:
            least_s, best = expected_s, k
    return best


def hop_lists(chains: Composition, weight: float, other_weight: float) -> NDArray[np.float64]:
    """Return (K + 3 + 4 H,) the weights and the visits to each server.

    There are H hops, and the visits are these hops ordered by server. The parts of the vector are: where the hops of
    each chain begin (K + 1); the two weights; where the visits to the server of each hop begin, and where they end (H
    each); the chain of each visit, and its computation in s (H each).
    """
    server, blocks = chains.hop_server, chains.hop_charged
    visits = np.argsort(server, kind="stable")
    chain = np.repeat(np.arange(len(chains)), np.diff(chains.hop_start))
    work_s = blocks * chains.system.block_s[server]
    begin, end = (np.searchsorted(server[visits], server, side) for side in ("left", "right"))
    parts = chains.hop_start, [weight, other_weight], begin, end, chain[visits], work_s[visits]
    return np.concatenate(parts).astype(np.float64)


def least_work_dispatch(weight: float = 0.5, other_weight: float = 0.0) -> Dispatch:
    """Return the policy with its weights of outstanding work; with 0 and 0 it is JFFC.

    `weight` is that of the most loaded server of a chain, `other_weight` that of its other servers.
    """
    require_not_negative(weight=weight, other_weight=other_weight)
    settings_of = partial(hop_lists, weight=weight, other_weight=other_weight)
    return Dispatch(least_work, work_conserving=True, deterministic=True, settings_of=settings_of)
