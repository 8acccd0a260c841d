"""The queue on which every simulator of jobs is measured.

It has four chains of seven slots each at a load of 0.7.
"""

from typing import NamedTuple

import numpy as np

from evaluators.simulation import simulate
from system import RandomStreams
from system.dispatch import Dispatch
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload


class Queue(NamedTuple):
    """A queue with Poisson arrivals, exponential sizes and JFFC.

    The fields are λ, and the service rates (descending) and capacities of the chains.
    """

    arrival_rate_per_s: float
    rate_per_s: tuple[float, ...]
    capacity: tuple[int, ...]


FOUR_CHAINS = Queue(12.74, (1.0, 0.8, 0.5, 0.3), (7, 7, 7, 7))


def simulated_mean_s(queue: Queue, job_count: int, dispatch: Dispatch) -> float:
    """Draw and simulate jobs, and return their mean response time."""
    workload = SyntheticWorkload(Poisson(), job_count, input_tokens=1, output_tokens=1)
    jobs = workload.jobs(queue.arrival_rate_per_s, RandomStreams(seed=1))
    return float(simulate(jobs, 1 / np.array(queue.rate_per_s), queue.capacity, dispatch).response_s.mean())
