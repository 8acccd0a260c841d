"""The simulator and the exact theory, two independent codes, agree on response times within the noise.

There are 200 random systems with at least 10 independent replications each. A system's statistic is Student's t. It is
mapped to the normal quantile of the same probability, so that the pooled values must be standard normal although every
deviation was itself estimated. For the 95th percentile, the share of jobs beyond the exact one must be 5 %: unlike a
sample's percentile, this share has no bias.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from evaluators.queueing import exact
from evaluators.simulation import simulate
from tests.support.oracles.instances import Queue, poisson_jobs, random_queue

SYSTEMS, PILOT = 200, 10
LOADS = (0.3, 0.7, 0.9, 0.95)
WARM_UP, LENGTH = 10, 250  # of a replication, in relaxation times


class Sample(NamedTuple):
    """Results of the replications of one system.

    There is one number per replication: the mean response time over the exact one, and the share of jobs beyond the
    exact 95th percentile. The standard deviation is that of the first replications alone. So the statistic has
    Student's distribution even if these replications determine how many more are made (Stein's two stages).
    """

    mean_ratio: np.ndarray
    beyond_p95: np.ndarray

    @property
    def half_width(self) -> float:
        """Return the half-width of the mean's 95 % confidence interval, relative to the mean."""
        return float(_standard_error(self.mean_ratio) * stats.t.ppf(0.975, PILOT - 1))

    def normal_scores(self) -> tuple[float, float]:
        return _normal_score(self.mean_ratio, 1.0), _normal_score(self.beyond_p95, 0.05)


def _standard_error(values: np.ndarray) -> float:
    return float(values[:PILOT].std(ddof=1)) / math.sqrt(values.size)


def _normal_score(values: np.ndarray, expected: float) -> float:
    t = (values.mean() - expected) / _standard_error(values)
    return float(np.sign(t) * stats.norm.isf(stats.t.sf(abs(t), PILOT - 1)))


def relaxation_jobs(queue: Queue) -> float:
    """Return the number of arrivals in which queue and chains forget their state."""
    load = queue.arrival_rate / float(queue.service_rates @ queue.capacities)
    return max(load / (1 - load**0.5) ** 2, queue.arrival_rate / queue.service_rates.min())


def sample(rng: np.random.Generator, queue: Queue, half_width: float = np.inf) -> Sample:
    """Simulate a pilot's replications and as many more as the half-width needs.

    Each has at least 5,000 jobs.
    """
    order = np.argsort(-queue.service_rates)
    mean_s, capacities = 1 / queue.service_rates[order], queue.capacities[order]
    solved = exact(*queue)
    p95_s = solved.percentile_s(0.95)
    warm_up = int(WARM_UP * relaxation_jobs(queue)) + 100
    count = warm_up + int(max(LENGTH * relaxation_jobs(queue), 5000))
    replications: list[tuple[float, float]] = []
    needed = PILOT
    while len(replications) < needed:
        response_s = simulate(poisson_jobs(rng, count, queue.arrival_rate), mean_s, capacities).response_s[warm_up:]
        replications.append((response_s.mean() / solved.mean_response_s, np.mean(response_s > p95_s)))
        if len(replications) == PILOT:
            pilot = Sample(*np.array(replications).T)
            needed = max(PILOT, math.ceil(PILOT * (pilot.half_width / half_width) ** 2))
    return Sample(*np.array(replications).T)


def random_systems(rng: np.random.Generator) -> list[Queue]:
    """Return random systems of 1 to 5 chains.

    Their total capacity is at most 40, and their rates span two decades. A quarter of the systems has each load.
    """
    systems: list[Queue] = []
    while len(systems) < SYSTEMS:
        queue = random_queue(rng, most_states=np.inf, decades=2, load=LOADS[len(systems) % len(LOADS)])
        if queue.capacities.sum() <= 40:
            systems.append(queue)
    return systems


def assert_standard_normal(scores: np.ndarray) -> None:
    assert abs(scores.mean()) <= 3 / np.sqrt(scores.size)
    assert 0.8 <= scores.var(ddof=1) <= 1.25
    assert np.abs(scores).max() <= 4.5


@pytest.mark.slow
def test_simulated_response_times_agree_with_exact_ones_within_the_noise():
    rng = np.random.default_rng(81)
    scores = np.array([sample(rng, queue).normal_scores() for queue in random_systems(rng)])
    assert_standard_normal(scores[:, 0])
    assert_standard_normal(scores[:, 1])


@pytest.mark.slow
def test_simulated_response_times_agree_with_exact_ones_within_one_percent():
    rng = np.random.default_rng(82)
    samples = [sample(rng, queue, half_width=0.01) for queue in random_systems(rng)]
    assert max(result.half_width for result in samples) <= 0.01
    scores = np.array([result.normal_scores() for result in samples])
    assert_standard_normal(scores[:, 0])
    assert_standard_normal(scores[:, 1])
