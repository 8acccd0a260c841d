"""Statistics of response times that evaluators report, from theory, simulation or real runs."""

from dataclasses import dataclass

import numpy as np

from evaluators.points.case import Draw, Measurement
from system.checks import require_positive, require_share
from system.response import TIMES, ResponseTimes


@dataclass(frozen=True)
class Report:
    """Means, `quantiles` and the share of jobs that wait.

    With `slo_s`, an objective for the response time, the share of jobs that meet it is reported too. The time per
    output token of a job is its decoding time over its number of tokens after the first. A job's size scales both, so
    this time depends on the chain only.
    """

    quantiles: tuple[float, ...] = (0.5, 0.95, 0.99)
    slo_s: float | None = None

    def __post_init__(self) -> None:
        for q in self.quantiles:
            require_share(quantiles=q)
        if self.slo_s is not None:
            require_positive(slo_s=self.slo_s)

    def measurements(self, draw: Draw, times: ResponseTimes) -> list[Measurement]:
        """Return the statistics, with the load and the share of over-long requests."""
        means = {time: times.mean_s(time) for time in TIMES}
        measurements = [
            *(Measurement(f"{time}_mean_s", mean_s) for time, mean_s in means.items() if not np.isnan(mean_s)),
            Measurement("waiting_probability", times.share_above("waiting", 0.0)),
            Measurement("over_length_share", draw.case.over_length_share),
            *(
                Measurement(f"{time}_quantile_s", times.quantile_s(time, q), q)
                for time in TIMES[:-1]
                for q in self.quantiles
            ),
        ]
        if draw.case.unanswered_requests:
            measurements.append(Measurement("unanswered_requests", draw.case.unanswered_requests))
        if not np.isnan(draw.layout.load):
            measurements.append(Measurement("load", draw.layout.load))
        if self.slo_s is not None:
            measurements.append(Measurement("slo_share", 1 - times.share_above("response", self.slo_s), self.slo_s))
        return measurements
