"""The preflight of a workload as an evaluator: its rate, burstiness and distribution of gaps (Fig. 7a)."""

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from evaluators.points.case import Draw, Measurement
from system.checks import require_count
from system.limits import CURVE
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
