"""The means of all prefixes of a row of chains equal the exact theory of each prefix."""

import numpy as np
import pytest

from algorithms.composition_search.values import NODES
from evaluators.queueing import exact
from evaluators.queueing.prefixes.prefix_means import prefix_means

NO_SETTINGS = np.empty(0)


def means(arrival_rate: float, time_s: np.ndarray, capacity: np.ndarray, nodes: int) -> np.ndarray:
    mean_s = np.empty(time_s.size)
    prefix_means(arrival_rate, time_s, capacity, time_s.size, NO_SETTINGS, np.empty((nodes + 6, nodes + 1)), mean_s)
    return mean_s


@pytest.mark.parametrize(("nodes", "tolerance"), [(NODES, 1e-4), (28, 1e-6), (40, 1e-8)])
def test_every_prefix_has_its_exact_mean(nodes, tolerance):
    """Check up to 24 chains over four e-folds of rates.

    Loads are .05 to .98 of all chains.
    """
    rng, compared = np.random.default_rng(1), 0
    for _ in range(60):
        count = int(rng.integers(1, 25))
        time_s = np.sort(np.exp(rng.uniform(0, rng.uniform(0.5, 4), count)))
        capacity = rng.integers(1, 9, count)
        rate = float(rng.uniform(0.05, 0.98) * (capacity / time_s).sum())
        mean_s = means(rate, time_s, capacity, nodes)
        total = np.cumsum(capacity / time_s)
        assert (np.isfinite(mean_s) == (total > rate)).all()
        for k in np.flatnonzero(total > rate * (1 + 1e-6)) + 1:
            assert mean_s[k - 1] == pytest.approx(
                exact(rate, 1 / time_s[:k], capacity[:k]).mean_response_s, rel=tolerance
            )
            compared += 1
    assert compared > 200


def test_chains_of_equal_rates_are_one_chain():
    single = means(3.0, np.array([1.0, 2.0]), np.array([3, 4]), NODES)
    apart = means(3.0, np.array([1.0, 1.0, 2.0]), np.array([1, 2, 4]), NODES)
    assert apart[-1] == pytest.approx(single[-1], rel=1e-12)


def test_chains_that_no_job_reaches_change_nothing():
    time_s, capacity = np.array([1.0, 2.0, 4.0]), np.array([60, 60, 60])
    mean_s = means(2.0, time_s, capacity, NODES)
    assert mean_s[0] == mean_s[1] == mean_s[2]
