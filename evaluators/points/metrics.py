"""Metrics: public functions of response times, and the meanings of the names that they and the evaluators report.

The meanings of the evaluators' own metrics are in `metrics.yaml`, those of `conf/metric` in the files of that group.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from evaluators.points.case import Draw, Measurement
from system import InputError, NotApplicableError
from system.checks import require
from system.code.source import ROOT
from system.documents.yaml_files import read_yaml
from system.layout import Layout
from system.response import JobTimes, ResponseTimes, Run
from workloads.jobs import Jobs

FILE = Path(__file__).with_suffix(".yaml")
GROUP = ROOT / "conf/metric"


@dataclass(frozen=True)
class Answer:
    """An evaluator's answer for one replication of a draw, of which metrics are functions."""

    draw: Draw
    times: ResponseTimes  # of the reported jobs, which are those that were served after the warm-up
    jobs: Jobs | None = None  # the reported jobs; None for theory and streams
    run: Run | None = None  # all jobs, those of the warm-up included; None for theory and streams
    served_share: float = 1.0  # share of the jobs after the warm-up that were served at all

    @property
    def layout(self) -> Layout:
        """Return the scheme's layout for the draw."""
        return self.draw.layout

    def by_job(self) -> tuple[JobTimes, Jobs]:
        """Return the times of each reported job, and these jobs.

        Raises `NotApplicableError` if the evaluator knows statistics only.
        """
        if self.jobs is None or not isinstance(self.times, JobTimes):
            raise NotApplicableError(
                "needs the times of each job, but this evaluator has none; use evaluator=simulation"
            )
        return self.times, self.jobs


@dataclass(frozen=True)
class Metric:
    """A function of an evaluator's answer (`conf/metric`), with the meanings of the names that it reports."""

    measure: Callable[[Answer], Iterable[Measurement]]
    reports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def measurements(self, name: str, answer: Answer) -> list[Measurement]:
        """Return what the metric called `name` measures.

        Raises `NotApplicableError` where it does not apply, and `InputError` if it reports a name without a meaning.
        """
        try:
            measurements = list(self.measure(answer))
        except NotApplicableError as error:
            raise NotApplicableError(f"metric = {name}: {error}") from error
        for metric in {measurement.metric for measurement in measurements} - set(self.reports):
            raise InputError(f"metric = {name}: it reports {metric} without a meaning; explain it under `reports`")
        return measurements


@cache
def metric_meanings() -> dict[str, dict[str, Any]]:
    """Return the meaning of every metric.

    It has the `unit`, what the metric `is` and, if the metric has several coordinates, what `at` holds.
    """
    meanings: dict[str, dict[str, Any]] = read_yaml(FILE)
    for path in sorted(GROUP.glob("*.yaml")):
        meanings |= _reports_in(path)
    return meanings


def _reports_in(path: Path) -> dict[str, dict[str, Any]]:
    """Return the meanings that a file of `conf/metric` gives."""
    content = read_yaml(path, may_instruct=True)
    metrics = content.values() if isinstance(content, dict) else [content]
    are_known = all(isinstance(metric, dict) and isinstance(metric.get("reports"), dict) for metric in metrics)
    require(are_known, "metric", path, "must have a mapping of each metric, with a mapping `reports`")
    return {name: meaning for metric in metrics for name, meaning in metric["reports"].items()}
