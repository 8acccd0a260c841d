"""The full Markov chain of JFFC, solved as a sparse linear system.

It is slow but simple, and therefore the oracle for small systems.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import splu

from evaluators.queueing.chains import RatedChains, rated_chains
from system import NotApplicableError
from system.checks import require

LARGEST_STATE_COUNT = 200_000
TOLERANCE = 1e-6  # on the sums of a solution
TOO_FAR_APART = "Markov chain: its rates lie too far apart to solve for; use evaluators.queueing.exact instead"
# The queue is cut where the remaining probability, weighted by the queue length, is below rounding errors.
LOG_TAIL = np.log(1e-20)


Moves = list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]  # states, next states, rates


class Lattice(NamedTuple):
    """All numbers of busy slots of K chains, as states 0, 1, ..."""

    busy: NDArray[np.int64]  # (states, K)
    stride: NDArray[np.int64]  # (K,) from a state to the one with one more busy slot of each chain


class MarkovResponse(NamedTuple):
    """Results from the stationary distribution; times are in seconds."""

    mean_response_s: float
    waiting_probability: float
    chain_shares: NDArray[np.float64]  # (K,), in the order given


def markov(arrival_rate: float, service_rates: ArrayLike, capacities: ArrayLike) -> MarkovResponse:
    """Solve the Markov chain of JFFC from its generator matrix.

    The states are the numbers of busy slots of all chains; behind the state with all slots busy come the queue lengths.
    Raises `InputError` for more than 200,000 states, `UnstableError` unless λ < ν, and `NotApplicableError` if the
    rates lie too far apart to solve for.
    """
    chains = rated_chains(arrival_rate, service_rates, capacities)
    load = chains.arrival_rate_per_s / chains.total_rate_per_s
    longest_queue = int(np.ceil(LOG_TAIL / np.log(load))) + 1
    with np.errstate(over="ignore"):
        states = float(np.prod(chains.capacity + 1.0)) + longest_queue
    remedy = f"must be at most {LARGEST_STATE_COUNT}; use evaluators.queueing.exact instead"
    require(states <= LARGEST_STATE_COUNT, "number of Markov states", f"{states:.15g}", remedy)
    states_without_queue = lattice_of(chains.capacity)
    busy, lattice = states_without_queue.busy, len(states_without_queue.busy)
    probability = stationary(_generator(chains, states_without_queue, longest_queue))
    queue = np.arange(1, longest_queue + 1)
    jobs = probability[:lattice] @ busy.sum(axis=1) + probability[lattice:] @ (chains.capacity.sum() + queue)
    departures = chains.rate_per_s * (probability[:lattice] @ busy + probability[lattice:].sum() * chains.capacity)
    _require_solved(chains, probability, float(departures.sum()))
    shares = np.empty(chains.rate_per_s.size)
    shares[chains.input_index] = departures / departures.sum()
    # Poisson arrivals see time averages, so a job waits with the probability that all slots are busy.
    waiting_probability = float(probability[lattice - 1 :].sum())
    return MarkovResponse(float(jobs / chains.arrival_rate_per_s), waiting_probability, shares)


def lattice_of(capacity: NDArray[np.int64]) -> Lattice:
    """Return the numbers of busy slots of chains, which the last one changes fastest."""
    sizes = capacity + 1
    busy = np.stack(np.unravel_index(np.arange(int(np.prod(sizes))), tuple(sizes)), axis=1)
    return Lattice(busy, np.concatenate([np.cumprod(sizes[::-1])[::-1][1:], [1]]))


def _generator(chains: RatedChains, without_queue: Lattice, longest_queue: int) -> sp.csc_array:
    """Return the generator matrix Q.

    The states of the lattice have no queue; the states after these have a queue of 1, 2, ... jobs.
    """
    busy, stride = without_queue
    lattice = len(busy)
    state = np.arange(lattice)
    free = busy < chains.capacity
    fastest_free = np.argmax(free, axis=1)
    starts = np.flatnonzero(free.any(axis=1))
    queue = np.arange(lattice - 1, lattice + longest_queue)  # the states with all slots busy, from no waiting job on
    moves: Moves = [
        (starts, starts + stride[fastest_free[starts]], np.full(starts.size, chains.arrival_rate_per_s)),
        (queue[:-1], queue[1:], np.full(longest_queue, chains.arrival_rate_per_s)),
        (queue[1:], queue[:-1], np.full(longest_queue, chains.total_rate_per_s)),
    ]
    for k in range(chains.rate_per_s.size):
        serving = state[busy[:, k] > 0]
        moves.append((serving, serving - stride[k], chains.rate_per_s[k] * busy[serving, k]))
    return generator_of(moves, lattice + longest_queue)


def generator_of(moves: Moves, size: int) -> sp.csc_array:
    """Return the generator matrix Q of a Markov chain from its moves."""
    origin, target, rate = (np.concatenate(part) for part in zip(*moves, strict=True))
    flow = sp.csc_array((rate, (origin, target)), shape=(size, size))
    return sp.csc_array(flow - sp.diags_array(flow.sum(axis=1)))


def stationary(generator: sp.csc_array) -> NDArray[np.float64]:
    """Return the stationary distribution π with π Q = 0 and sum 1.

    π[0] is set to 1, the rest is solved for, and all is normalised. Without its first row and column, Qᵀ is a
    nonsingular M-matrix, which can be eliminated on its diagonal without loss of accuracy.
    """
    transposed = generator.T.tocsc()
    try:
        solve = splu(transposed[1:, 1:], diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve
    except RuntimeError as error:  # a rate vanished beside another
        raise NotApplicableError(TOO_FAR_APART) from error
    weight = np.concatenate([[1.0], solve(-transposed[1:, [0]].toarray().ravel())])
    return weight / weight.sum()


def _require_solved(chains: RatedChains, probability: NDArray[np.float64], departures_per_s: float) -> None:
    """Raise `NotApplicableError` unless the probabilities balance arrivals and departures."""
    imbalance = abs(departures_per_s / chains.arrival_rate_per_s - 1)
    if not (probability.min() >= -TOLERANCE and imbalance <= TOLERANCE):
        raise NotApplicableError(TOO_FAR_APART)
