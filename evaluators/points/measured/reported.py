"""Jobs of measured runs: which are reported, and why others failed."""

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluators.points.case import Measurement
from evaluators.points.simulated import JobReport
from system import InputError
from system.response import Run
from system.words import counted, shortened

MOST_REASONS = 5  # that a message lists


class FailedJobsWarning(UserWarning):
    """A warning with the number of jobs that failed, and their reasons."""


class JobRecord(Protocol):
    """The record of a job of a measured run."""

    reason: str

    @property
    def served(self) -> bool:
        """Return whether the job was served."""


class ReportedJobs(NamedTuple):
    """The served jobs after the warm-up."""

    first: int  # number of the first job after the warm-up
    chosen: NDArray[np.bool_]  # (n,)

    @property
    def served_share(self) -> float:
        """Return the share of the jobs after the warm-up that were served."""
        return float(self.chosen.sum() / (self.chosen.size - self.first))


def reported_jobs(report: JobReport, run: Run, records: Sequence[JobRecord], name: str) -> ReportedJobs:
    """Return the served jobs after the warm-up.

    Raises `InputError` with the reasons, behind the name of the run, if there are none.
    """
    served = np.array([record.served for record in records], np.bool_)
    first = report.first_job(run.times.response_s) if served.any() else 0
    chosen = served & (np.arange(served.size) >= first)
    if not chosen.any():
        reasons = sorted({record.reason for record in records if record.reason})
        raise InputError(f"{name}: no job was served after the warm-up: {shortened(reasons, MOST_REASONS, '; ')}")
    return ReportedJobs(first, chosen)


def failed_jobs(records: Sequence[JobRecord]) -> Measurement:
    """Return the number of jobs that failed."""
    return Measurement("failed_jobs", sum(not record.served for record in records))


def warn_of_failures(records: Sequence[JobRecord], name: str) -> None:
    """Warn by `FailedJobsWarning` if jobs failed, with the number of jobs for each reason."""
    reasons = Counter(record.reason for record in records if not record.served)
    if reasons:
        listed = [f"{reason} ({number})" for reason, number in reasons.most_common()]
        failed = f"{reasons.total()} of {counted(len(records), 'job')} failed"
        warnings.warn(f"{name}: {failed}: {shortened(listed, MOST_REASONS, '; ')}", FailedJobsWarning, stacklevel=3)
