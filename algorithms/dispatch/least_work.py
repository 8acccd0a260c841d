"""Least work: the time of a chain alone, plus a share of the work that its servers have outstanding.

A job on chain k takes the time T_k alone. Under service models in which a server computes one step at a time it also
waits for the jobs that are there. Let W_lj be the time that a mean job of chain l computes at server j, without
communication, and P_lj the part of it that its prompt takes. Server j then has the work w_j = Σ_l busy_l W_lj
outstanding, and the prompts p_j = Σ_l busy_l P_lj. The policy takes the free chain with the least

    T_k + weight · max over j in k of w_j + prompt_weight · Σ over j in k of p_j.

`dispatch=least_work` has the weights 1/2 and 0: the most loaded server of a chain counts. The weight is 1/2, as jobs in
service have on average done about half of their work. `dispatch=least_work_prompts` has 1/2 and 1/2: a prompt also
stops the tokens behind it at every server of the chain, so prompts count everywhere. The rules are ours. They follow
the idea that a job should go where it gains the most service rate (arXiv 2411.17103); JFFC looks at T_k alone.
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
    weight, prompt_weight = settings[count + 1], settings[count + 2]
    begin = count + 3
    end, chain, work_s, prompt_s = begin + hops, begin + 2 * hops, begin + 3 * hops, begin + 4 * hops
    least_s, best = 1e300, -1
    for k in range(count):
        if busy[k] == capacity[k]:
            continue
        alone_s = 1 / rate_per_s[k]
        if alone_s >= least_s:
            break  # so are all later chains
        most_s, prompts_s = 0.0, 0.0
        for h in range(int(settings[k]), int(settings[k + 1])):
            outstanding_s = 0.0
            for i in range(int(settings[begin + h]), int(settings[end + h])):
                jobs = busy[int(settings[chain + i])]
                outstanding_s += jobs * settings[work_s + i]
                prompts_s += jobs * settings[prompt_s + i]
            most_s = max(most_s, outstanding_s)
        expected_s = alone_s + weight * most_s + prompt_weight * prompts_s
        if expected_s < least_s:
            least_s, best = expected_s, k
    return best


def hop_lists(chains: Composition, weight: float, prompt_weight: float) -> NDArray[np.float64]:
    """Return the weights and the visits to each server as one vector.

    There are H hops, and the visits are these hops ordered by server. The parts of the vector (K + 3 + 5 H,)
    are: where the hops of each chain begin (K + 1); the two weights; where the visits to the server of each hop begin,
    and where they end (H each); the chain of each visit, its computation in s, and the part of that for the prompt (H
    each).
    """
    server, system = chains.hop_server, chains.system
    visits = np.argsort(server, kind="stable")
    chain = np.repeat(np.arange(len(chains)), np.diff(chains.hop_start))
    prompt_block_s = system.servers.block_s[:, :2] @ np.asarray(system.mean_job[:2])
    work_s, prompt_s = (chains.hop_charged * block_s[server] for block_s in (system.block_s, prompt_block_s))
    begin, end = (np.searchsorted(server[visits], server, side) for side in ("left", "right"))
    weights = np.array([weight, prompt_weight])
    columns = (column[visits] for column in (chain, work_s, prompt_s))
    return np.concatenate([chains.hop_start, weights, begin, end, *columns])


def least_work_dispatch(weight: float = 0.5, prompt_weight: float = 0.0) -> Dispatch:
    """Return the policy with its weights of outstanding work.

    With the weights 0 and 0 it is JFFC. `weight` is that of the work at a chain's most loaded server, `prompt_weight`
    that of the prompts at all its servers.
    """
    require_not_negative(weight=weight, prompt_weight=prompt_weight)
    settings_of = partial(hop_lists, weight=weight, prompt_weight=prompt_weight)
    return Dispatch(least_work, work_conserving=True, deterministic=True, settings_of=settings_of)
