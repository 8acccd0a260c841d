"""The preflight of a workload as an evaluator: its rate, its burstiness, and the distribution of its gaps (Fig. 7a)."""

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from evaluators.case import Draw, Measurement
from system import Streams
from workloads.preflight import empirical_cdf, exponential_distance, preflight


@dataclass(frozen=True)
class GapsEvaluator:
    """Facts of the requests as recorded, and the CDF of their inter-arrival times at up to `points` places."""

    points: int = 400

    @property
    def varies_with(self) -> Literal["nothing"]:
        return "nothing"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        workload = draw.case.workload
        arrival_s = workload.jobs(None, Streams(draw.case.seed)).arrival_s
        over_length = draw.case.over_length_share
        facts = asdict(preflight(arrival_s, over_length_share=over_length))
        gaps_s = np.diff(arrival_s)
        times_s, shares = empirical_cdf(gaps_s, self.points)
        return [
            *(Measurement(name, value) for name, value in facts.items() if value is not None),
            Measurement("exponential_distance", exponential_distance(gaps_s)),
            *(Measurement("gap_cdf", share, time_s) for time_s, share in zip(times_s, shares, strict=True)),
        ]
