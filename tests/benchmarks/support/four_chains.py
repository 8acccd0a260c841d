"""Four chains of seven slots at a load of 0.7: the queue that every simulator of jobs is measured on."""

from typing import NamedTuple

import numpy as np

from evaluators.simulation import simulate
from system import RandomStreams
from system.dispatch import Dispatch
from workloads.arrivals import Poisson
from workloads.synthetic import SyntheticWorkload


class Queue(NamedTuple):
    """Poisson arrivals, exponential sizes, JFFC: λ, and the chains' rates, descending, and capacities."""

    arrival_rate_per_s: float
    rate_per_s: tuple[float, ...]
    capacity: tuple[int, ...]


FOUR_CHAINS = Queue(12.74, (1.0, 0.8, 0.5, 0.3), (7, 7, 7, 7))


def simulated_mean_s(queue: Queue, job_count: int, dispatch: Dispatch) -> float:
    """Return the mean response time of jobs that are drawn here."""
    workload = SyntheticWorkload(Poisson(), job_count, input_tokens=1, output_tokens=1)
    jobs = workload.jobs(queue.arrival_rate_per_s, RandomStreams(seed=1))
    return float(simulate(jobs, 1 / np.array(queue.rate_per_s), queue.capacity, dispatch).response_s.mean())
