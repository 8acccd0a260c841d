"""Statistics of response times that evaluators report, from theory, simulation or real runs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from evaluators.points.case import Measurement
from evaluators.points.metrics import Answer, Metric
from system.checks import require, require_known, require_positive, require_share
from system.response import TIMES, Limits

TIME_OF = {f"{time}_s": time for time in TIMES}  # by the key of a limit
NAME = re.compile(r"[a-z]\w*")


@dataclass(frozen=True)
class Report:
    """Means, `quantiles` and the share of jobs that wait.

    `slos` are service level objectives by name. Each is a mapping of limits in seconds, such as `first_token_s: 2`; a
    job meets the objective if it keeps to all of them. `metrics` are further metrics by name. The time per output token
    of a job is its decoding time over its number of tokens after the first. A job's size scales both, so this time
    depends on the chain only.
    """

    quantiles: tuple[float, ...] = (0.5, 0.95, 0.99)
    slos: Mapping[str, Mapping[str, float]] | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for q in self.quantiles:
            require_share(quantiles=q)
        for field_name, value in (("slos", self.slos or {}), ("metrics", self.metrics)):
            remedy = "write slos={NAME: {response_s: 60}} and choose metrics by metric=[NAME]"
            require(isinstance(value, Mapping), field_name, value, remedy)
        for name, slo in (self.slos or {}).items():
            require(bool(NAME.fullmatch(name)), "slos", name, "name an SLO by small letters, digits and _")
            is_mapping = isinstance(slo, Mapping) and bool(slo)
            require(is_mapping, f"slos.{name}", slo, "give at least one limit, such as {response_s: 60}")
            for key, limit_s in slo.items():
                require_known(f"slos.{name}", key, TIME_OF)
                require_positive(**{f"slos.{name}.{key}": limit_s})

    @property
    def limits(self) -> dict[str, Limits]:
        """Return the limits of each SLO by its name."""
        return {
            name: {TIME_OF[key]: limit_s for key, limit_s in slo.items()} for name, slo in (self.slos or {}).items()
        }

    def measurements(self, answer: Answer) -> list[Measurement]:
        """Return the statistics, what the SLOs give, and the further metrics."""
        draw, times = answer.draw, answer.times
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
        if unanswered := draw.case.unanswered_requests:
            measurements.append(Measurement("unanswered_requests", unanswered))
        if not np.isnan(load := draw.layout.load):
            measurements.append(Measurement("load", load))
        further = (metric.measurements(name, answer) for name, metric in self.metrics.items())
        return [*measurements, *self._objectives(answer), *(one for several in further for one in several)]

    def _objectives(self, answer: Answer) -> Iterator[Measurement]:
        for name, limits in self.limits.items():
            share = slo_share(answer, limits)
            yield Measurement(f"{name}_slo_share", share)
            yield Measurement(f"{name}_goodput_per_s", answer.draw.system.arrival_rate_per_s * share)


def slo_share(answer: Answer, limits: Limits) -> float:
    """Return the share of the jobs that are served within all limits."""
    return answer.served_share * answer.times.share_within(limits)
