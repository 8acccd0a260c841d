"""The late shares of all prefixes of a row of chains equal the exact theory of each prefix."""

import numpy as np
import pytest

from evaluators.queueing import exact
from evaluators.queueing.prefixes.prefix_means import prefix_rates
from evaluators.queueing.prefixes.prefix_tails import prefix_tails

NODES = 28


def test_every_prefix_has_its_exact_tail():
    rng, compared = np.random.default_rng(1), 0
    for _ in range(40):
        count = int(rng.integers(1, 20))
        time_s = np.sort(np.exp(rng.uniform(0, 3, count)))
        capacity = rng.integers(1, 9, count)
        rate = float(rng.uniform(0.1, 0.95) * (capacity / time_s).sum())
        limit_s, share = float(rng.uniform(1, 60)), np.empty(count)
        prefix_tails(rate, time_s, capacity, count, np.array([limit_s]), np.empty((NODES + 6, NODES + 1)), share)
        total = np.cumsum(capacity / time_s)
        assert (np.isfinite(share) == (total > rate)).all()
        for k in np.flatnonzero(total > rate * (1 + 1e-6)) + 1:
            tail = exact(rate, 1 / time_s[:k], capacity[:k]).tail(limit_s)
            assert share[k - 1] == pytest.approx(tail, rel=1e-5, abs=1e-7)
            compared += 1
    assert compared > 100


def test_every_prefix_has_its_total_rate():
    gap_s = np.empty(2)
    prefix_rates(1.0, np.array([0.5, 2.0]), np.array([3, 4]), 2, np.empty(0), np.empty((1, 1)), gap_s)
    assert gap_s.tolist() == [1 / 6, 1 / 8]
