"""Service times of a workload's jobs on the fastest chains, against the exponential assumption (Fig. 7b, claim C9)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.points.case import Draw, Measurement
from system.checks import require, require_count, require_positive
from workloads.jobs import Jobs


@dataclass(frozen=True)
class ServiceTimesEvaluator:
    """Mean, standard deviation over mean (1 for an exponential) and CDF of what every job would take on each chain.

    The chains are the `chain_count` fastest, or all where there are fewer. The CDFs are taken at the same times in
    every draw, evenly spaced in their logarithm, so that they can be averaged.
    """

    chain_count: int = 5
    shortest_s: float = 0.1
    longest_s: float = 300.0
    points: int = 100

    def __post_init__(self) -> None:
        require_count(chain_count=self.chain_count, points=self.points)
        require_positive(shortest_s=self.shortest_s, longest_s=self.longest_s)
        ascending = self.shortest_s < self.longest_s
        require(ascending, "longest_s", self.longest_s, f"must be above shortest_s = {self.shortest_s:g}")

    @property
    def varies_with(self) -> Literal["draw"]:
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        coefficients_s = draw.layout.composition().job_coefficients_s[: self.chain_count]
        services_s = service_times_s(coefficients_s, draw.jobs(replication))
        return [
            measurement
            for chain, service_s in enumerate(services_s, start=1)
            for measurement in self._measurements(chain, service_s)
        ]

    def _measurements(self, chain: int, service_s: NDArray[np.float64]) -> Iterator[Measurement]:
        mean_s = service_s.mean()
        yield Measurement("service_time_mean_s", mean_s, chain)
        yield Measurement("service_time_cv", service_s.std(ddof=1) / mean_s, chain)
        times_s = np.geomspace(self.shortest_s, self.longest_s, self.points)
        shares = np.searchsorted(np.sort(service_s), times_s, side="right") / service_s.size
        for time_s, share in zip(times_s, shares, strict=True):
            yield Measurement(f"chain{chain}_service_cdf", share, time_s)


def service_times_s(coefficients_s: NDArray[np.float64], jobs: Jobs) -> NDArray[np.float64]:
    """(K, n) what each of n jobs takes on each of K chains, with coefficients (K, 3), if it waits for nothing."""
    per_unit_s = coefficients_s[:, :1] + coefficients_s[:, 1:] @ jobs.lengths.T
    return jobs.size * per_unit_s
