"""The full Markov chain of JFFC, solved as a sparse linear system: slow, plain, and so the oracle for small systems."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import splu

from evaluators.queueing.chains import RatedChains, rated_chains
from system.checks import require

LARGEST_STATE_COUNT = 200_000
# The queue is cut where the probability beyond, weighted by its length, is below rounding.
LOG_TAIL = np.log(1e-20)


class MarkovResponse(NamedTuple):
    """What the stationary distribution says (times in seconds)."""

    mean_response_s: float
    waiting_probability: float
    chain_shares: NDArray[np.float64]  # (K,), in the order given


def markov(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> MarkovResponse:
    """Mean response time, waiting probability and chain shares of JFFC from its generator matrix.

    States are the busy slots of every chain, and behind the state with all slots busy the queue lengths.
    Raises `InputError` beyond 200,000 states and `UnstableError` unless λ < ν.
    """
    chains = rated_chains(arrival_rate, service_rates, capacities)
    load = chains.arrival_rate_per_s / chains.total_rate_per_s
    longest_queue = int(np.ceil(LOG_TAIL / np.log(load))) + 1
    lattice = int(np.prod(chains.capacity + 1.0))
    require(
        lattice + longest_queue <= LARGEST_STATE_COUNT,
        "number of Markov states",
        lattice + longest_queue,
        f"at most {LARGEST_STATE_COUNT} are solved; use evaluators.queueing.exact",
    )
    busy = np.stack(np.unravel_index(np.arange(lattice), tuple(chains.capacity + 1)), axis=1)
    probability = _stationary(_generator(chains, busy, longest_queue))
    queue = np.arange(1, longest_queue + 1)
    jobs = probability[:lattice] @ busy.sum(axis=1) + probability[lattice:] @ (chains.capacity.sum() + queue)
    departures = chains.rate_per_s * (probability[:lattice] @ busy + probability[lattice:].sum() * chains.capacity)
    shares = np.empty(chains.rate_per_s.size)
    shares[chains.given] = departures / departures.sum()
    waiting_probability = float(probability[lattice - 1 :].sum())  # an arrival sees what time sees
    return MarkovResponse(float(jobs / chains.arrival_rate_per_s), waiting_probability, shares)


def _generator(chains: RatedChains, busy: NDArray[np.int64], longest_queue: int) -> sp.csc_array:
    """Q: state i < len(busy) has these busy slots and no queue; the states after it have a queue of 1, 2, ..."""
    lattice = len(busy)
    state = np.arange(lattice)
    stride = np.concatenate([np.cumprod((chains.capacity + 1)[::-1])[::-1][1:], [1]])
    free = busy < chains.capacity
    fastest_free = np.argmax(free, axis=1)
    starts = np.flatnonzero(free.any(axis=1))
    queue = np.arange(lattice - 1, lattice + longest_queue)  # from "all busy, none waiting" on
    moves = [
        (starts, starts + stride[fastest_free[starts]], np.full(starts.size, chains.arrival_rate_per_s)),
        (queue[:-1], queue[1:], np.full(longest_queue, chains.arrival_rate_per_s)),
        (queue[1:], queue[:-1], np.full(longest_queue, chains.total_rate_per_s)),
    ]
    for k in range(chains.rate_per_s.size):
        at_work = state[busy[:, k] > 0]
        moves.append((at_work, at_work - stride[k], chains.rate_per_s[k] * busy[at_work, k]))
    origin, target, rate = (np.concatenate(part) for part in zip(*moves, strict=True))
    size = lattice + longest_queue
    flow = sp.csc_array((rate, (origin, target)), shape=(size, size))
    return sp.csc_array(flow - sp.diags_array(flow.sum(axis=1)))


def _stationary(generator: sp.csc_array) -> NDArray[np.float64]:
    """π with π Q = 0 and sum 1: π[0] is set to 1, the rest solved for, and all normalised.

    Without its first row and column Qᵀ is a nonsingular M-matrix, which eliminates stably on its diagonal.
    """
    transposed = generator.T.tocsc()
    solve = splu(transposed[1:, 1:], diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve
    weight = np.concatenate([[1.0], solve(-transposed[1:, [0]].toarray().ravel())])
    return weight / weight.sum()
