"""The loss system of thresholds: slots and waiting rooms in turn, fastest slots first.

Behind the slots of the faster chains there is a room in which θ_k jobs may wait; a job that finds it full sends the job
at the head of the queue to chain k. A system of i slots and a room for b jobs loses a job in one state only, in which
all slots are busy and b jobs wait. So its overflow is a renewal process, as in `loss_system`. With h as there, B the
share of time in which the system is full, ν_i the rate of its slots, and M any mean over its states:

    one more slot:          the step of `loss_system`
    one more waiting job:   h'(s) = s + ν_i h(s) / (λ + h(s)),   1/B' = 1 + ν_i / (λ B),   M' = M + B' (M_full - M)

M_full is the value of the mean while that job waits (docs/proofs.md).
"""

import numpy as np
from numpy.typing import NDArray

from evaluators.queueing.loss_system import add_slot, nodes_above, shift_by
from evaluators.queueing.theorem4 import NEGLIGIBLE
from system.code.compiler import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Means of a system: the share of time in which it is full, the number of waiting jobs, and the share of time in which
# all slots with a threshold of 0 are busy, so that a job that arrives must wait.
FULL, QUEUE, WAITS = 0, 1, 2
MEANS = 3


@compiled(creates_arrays=True)
def threshold_system(
    arrival_rate: float, rate: Floats, capacity: Ints, thresholds: Ints, nodes: int, most_jobs: int
) -> tuple[Floats, Floats, Floats]:
    """Return the loss system's means (MEANS,) and two arrays (K,).

    The arrays are the mean numbers of busy slots, and the shares of the jobs that start on each chain at once. The
    rates descend and the thresholds ascend from 0. All means are NaN if the part of the system that jobs reach holds
    more than `most_jobs` jobs.
    """
    s, v, weight = nodes_above(arrival_rate, rate[-1], nodes)
    g, shift, shifted = np.zeros(nodes), np.empty((nodes + 1, nodes)), np.empty(nodes + 1)
    means, busy, at_once = np.array([1.0, 0.0, 0.0]), np.zeros(rate.size), np.zeros(rate.size)
    served_per_s, held, room = 0.0, 0, 0
    for k in range(rate.size):
        held += thresholds[k] - room + capacity[k]
        if held > most_jobs:
            means[:] = np.nan
            break
        if thresholds[k] > room:
            if room == 0:
                means[WAITS] = means[FULL]
            within, beyond = add_room(g, s, room, thresholds[k], served_per_s, arrival_rate, means)
            for j in range(k):
                busy[j] = within * busy[j] + beyond * capacity[j]
                at_once[j] *= within
            room = thresholds[k]
        if k == 0 or rate[k] != rate[k - 1]:
            shift = shift_by(rate[k], arrival_rate, s, v, weight)
        busy[k] = add_chain(g, s, shift, shifted, rate[k], capacity[k], arrival_rate, means)
        if room == 0:
            at_once[k] = busy[k] * rate[k] / arrival_rate
        served_per_s += capacity[k] * rate[k]
        if means[FULL] < NEGLIGIBLE:  # no job reaches the slots beyond
            means[FULL] = 0.0
            break
    if room == 0:
        means[WAITS] = means[FULL]
    return means, busy, at_once


@compiled
def add_room(
    g: Floats, s: Floats, room: int, larger: int, served_per_s: float, arrival_rate: float, means: Floats
) -> tuple[float, float]:
    """Add waiting room to g and the means.

    Return the shares of time in which at most, and more than, `room` jobs wait.
    """
    within, beyond = 1.0, 0.0
    for waiting in range(room + 1, larger + 1):
        full = means[FULL] / (means[FULL] + served_per_s / arrival_rate)
        means[FULL] = full
        means[QUEUE] += full * (waiting - means[QUEUE])
        means[WAITS] += full * (1 - means[WAITS])
        within, beyond = within * (1 - full), beyond + full * (1 - beyond)
        for node in range(s.size):
            h = g[node] + s[node]
            g[node] = served_per_s * h / (arrival_rate + h)
        if full < NEGLIGIBLE:
            break
    return within, beyond


@compiled(creates_arrays=True)
def add_chain(
    g: Floats, s: Floats, shift: Floats, shifted: Floats, rate: float, capacity: int, arrival_rate: float, means: Floats
) -> float:
    """Add a chain's slots to g and the means.

    Return the mean number of its busy slots.
    """
    busy = 0.0
    for _ in range(capacity):
        if means[FULL] < NEGLIGIBLE:
            break
        h = add_slot(g, s, shift, shifted, rate, arrival_rate)
        overflow = arrival_rate / (arrival_rate + h)
        busy += means[FULL] * overflow * h / rate
        means[FULL] *= overflow
    return busy
