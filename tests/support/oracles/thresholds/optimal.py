"""The least mean response time of any dispatch policy with a central queue, by policy iteration.

A policy may start any number of waiting jobs on any free slots after each event, or none. It knows rates, not sizes.
"""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from tests.support.oracles.instances import Queue

LOG_TAIL = np.log(1e-13)


def optimal_response_s(queue: Queue) -> float:
    """Return the least mean response time.

    Arrivals beyond a long queue are lost.
    """
    load = queue.arrival_rate / float(queue.service_rates @ queue.capacities)
    longest = int(np.ceil(LOG_TAIL / np.log(load))) + 20
    shape = (*(queue.capacities + 1), longest + 1)
    states = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    following = _improved(states[:, -1].reshape(shape).astype(float), queue, shape)  # at first, JFFC
    least = np.inf
    while True:
        gain, bias = _evaluated(queue, states, shape, following)
        if gain >= least * (1 - 1e-13):
            return least / queue.arrival_rate
        least, following = gain, _improved(bias.reshape(shape), queue, shape)


def _evaluated(
    queue: Queue, states: np.ndarray, shape: tuple[int, ...], following: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return a policy's mean number of jobs and bias (n,)."""
    busy, waiting = states[:, :-1], states[:, -1]
    size = len(states)
    arrives = np.ravel_multi_index((*busy.T, np.minimum(waiting + 1, shape[-1] - 1)), shape)
    moves = [(np.arange(size), arrives, np.full(size, queue.arrival_rate))]
    for k, rate in enumerate(queue.service_rates):
        serving = np.flatnonzero(busy[:, k] > 0)
        fewer = busy[serving] - (np.arange(busy.shape[1]) == k)
        moves.append((serving, np.ravel_multi_index((*fewer.T, waiting[serving]), shape), rate * busy[serving, k]))
    origin, target, rate = (np.concatenate(column) for column in zip(*moves, strict=True))
    flow = sp.csc_array((rate, (origin, following[target])), shape=(size, size))
    generator = flow - sp.diags_array(flow.sum(axis=1))
    # jobs - gain + generator @ bias = 0 with bias[0] = 0, so the unknown gain takes the column of bias[0]
    system = sp.hstack([sp.csc_array(-np.ones((size, 1))), generator[:, 1:]]).tocsc()
    solution = spsolve(system, -states.sum(axis=1).astype(float))
    return float(solution[0]), np.concatenate([[0.0], solution[1:]])


def _improved(bias: np.ndarray, queue: Queue, shape: tuple[int, ...]) -> np.ndarray:
    """Return the best decision for each state (n,)."""
    value, choice = bias.copy(), np.arange(bias.size).reshape(shape)
    for waiting in range(1, shape[-1]):  # a start leads to a state with fewer waiting jobs
        for k in range(queue.capacities.size):
            free = [slice(None)] * queue.capacities.size
            used = free.copy()
            free[k], used[k] = slice(None, -1), slice(1, None)
            started, now = (*used, waiting - 1), (*free, waiting)
            better = value[started] < value[now]
            value[now] = np.where(better, value[started], value[now])
            choice[now] = np.where(better, choice[started], choice[now])
    return choice.ravel()
