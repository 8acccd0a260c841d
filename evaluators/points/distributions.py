"""Distributions that the exponential model assumes: gaps of requests and service times (Fig. 7, claim C9)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.points.case import Draw, Measurement
from system.checks import require, require_count, require_positive
from system.limits import CURVE
from workloads.jobs import Jobs
from workloads.preflight import empirical_cdf, exponential_distance, preflight_facts


@dataclass(frozen=True)
class GapsEvaluator:
    """Statistics of the requests as recorded, and the CDF of their gaps at up to `points` points."""

    points: int = 400

    def __post_init__(self) -> None:
        require_count(CURVE, points=self.points)

    @property
    def varies_with(self) -> Literal["nothing"]:
        """Return `nothing`: the requests are examined once a case."""
        return "nothing"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Compute the statistics of one replication's arrivals and lengths."""
        workload = draw.case.workload
        jobs = workload.jobs(draw.case.demand.rate_without_servers_per_s(), draw.streams())
        arrival_s = jobs.arrival_s
        input_tokens, further_tokens = jobs.lengths.mean(axis=0)
        facts = asdict(preflight_facts(arrival_s, over_length_share=draw.case.over_length_share))
        gaps_s = np.diff(arrival_s)
        unanswered = draw.case.unanswered_requests
        times_s, shares = empirical_cdf(gaps_s, self.points)
        return [
            *(Measurement(name, value) for name, value in facts.items() if value is not None),
            Measurement("input_tokens_mean", input_tokens),
            Measurement("output_tokens_mean", 1 + further_tokens),
            *([Measurement("unanswered_requests", unanswered)] if unanswered else []),
            Measurement("exponential_distance", exponential_distance(gaps_s)),
            *(Measurement("gap_cdf", share, time_s) for time_s, share in zip(times_s, shares, strict=True)),
        ]


@dataclass(frozen=True)
class ServiceTimesEvaluator:
    """Statistics of the times that all jobs would take on each of the fastest chains.

    They are the mean, the standard deviation over the mean (1 for an exponential distribution) and the CDF. The chains
    are the `chain_count` fastest, or all if there are fewer. The CDFs are taken at the same times in every draw, evenly
    spaced in their logarithm, so that they can be averaged.
    """

    deterministic: ClassVar[bool] = True

    chain_count: int = 5
    shortest_s: float = 0.1
    longest_s: float = 300.0
    points: int = 100

    def __post_init__(self) -> None:
        require_count(chain_count=self.chain_count)
        require_count(CURVE, points=self.points)
        require_positive(shortest_s=self.shortest_s, longest_s=self.longest_s)
        ascending = self.shortest_s < self.longest_s
        require(ascending, "longest_s", self.longest_s, f"must be above shortest_s = {self.shortest_s:g}")

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: only the first replication of a draw is evaluated."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Compute the statistics of each of the fastest chains."""
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
    """Return (K, n) the service times of n jobs on K chains.

    `coefficients_s` is (K, 3). The jobs do not wait for anything.
    """
    per_unit_s = coefficients_s[:, :1] + coefficients_s[:, 1:] @ jobs.lengths.T
    return jobs.size * per_unit_s
