"""Real runs as an evaluator (`conf/evaluator`), with the layouts and jobs of the simulators."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluators.points.case import Draw, Measurement
from evaluators.points.measured.reported import failed_jobs, reported_jobs
from evaluators.points.metrics import Answer
from evaluators.points.simulated import JobReport, part_means, utilisations
from evaluators.simulation.steps.simulate import check_whole_tokens
from serving.installed import require_installed
from serving.settings import RunSettings
from system import InputError
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel
from workloads.jobs import Jobs

if TYPE_CHECKING:
    from serving.run import ServedRun


@dataclass(frozen=True, kw_only=True)
class RuntimeEvaluator(RunSettings, JobReport):
    """A real run of all jobs by blocks with real weights and real caches.

    A job is its prompt and then token after token. The jobs after the warm-up are reported; failed jobs are counted and
    have no times.
    """

    service: ServiceModel = INDEPENDENT

    def __post_init__(self) -> None:
        RunSettings.__post_init__(self)
        JobReport.__post_init__(self)

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Serve the jobs of one replication and report them.

        Raises `InputError` if a job is too long for a cache slot or if no job was served after the warm-up.
        """
        jobs, layout = draw.jobs(replication), draw.layout
        check_whole_tokens(jobs)
        check_lengths(jobs, draw.case.fitted_model.cache_tokens)
        require_installed("torch")
        from serving.run import serve

        run = serve(layout, jobs, self, self.service, draw.streams(replication).jobs("prompts"))
        reported = reported_jobs(self, run, run.records, "real run")
        first, chosen = reported
        times = run.times.of_jobs(chosen)
        return [
            *self.measurements(Answer(draw, times, jobs.of_jobs(chosen), run, reported.served_share)),
            *self.chosen_warm_up(first),
            *part_means(times),
            *_hop_medians(run, chosen),
            *_faults(run, first),
            *utilisations(layout, run),
            *_token_steps(run),
        ]


def _hop_medians(run: "ServedRun", chosen: NDArray[np.bool_]) -> list[Measurement]:
    """Return the medians over jobs of a hop's overhead beyond the model."""
    records = list(compress(run.records, chosen))
    transport_s = np.array([record.parts.transport_s for record in records])
    overhead_s = transport_s + np.array([record.orchestrator_s for record in records])
    hops = np.array([record.parts.hops for record in records])
    return [
        Measurement("overhead_per_hop_median_s", float(np.median(overhead_s / hops))),
        Measurement("transport_per_hop_median_s", float(np.median(transport_s / hops))),
    ]


def _token_steps(run: "ServedRun") -> Iterator[Measurement]:
    """Yield statistics of one-token steps that servers computed alone.

    A server has them only if there were several such steps.
    """
    for j, stats in run.stats.items():
        for metric in ("token_step_mean_s", "token_step_cv"):
            if metric in stats:
                yield Measurement(metric, stats[metric], j)


def _faults(run: "ServedRun", first: int) -> list[Measurement]:
    """Return counts of failures and recoveries from job number `first` on.

    If tokens were checked, the share of jobs with the right tokens is included.
    """
    records = run.records[first:]
    measurements = [
        failed_jobs(records),
        Measurement("rerouted_jobs", sum(record.served and record.attempts > 1 for record in records)),
        Measurement("held_slots", run.held_slots),
        *(Measurement("lost_server", server in run.lost, server) for server in run.slots),
    ]
    if run.identical_share is not None:
        measurements.append(Measurement("tokens_identical", run.identical_share))
    return measurements


def check_lengths(jobs: Jobs, cache_tokens: int) -> None:
    """Raise `InputError` if a job is too long for a cache slot."""
    longest = int((jobs.lengths.sum(axis=1) + 1).max())
    if longest - 1 > cache_tokens:
        raise InputError(
            f"workload: its longest job has {longest} tokens, but a cache slot only {cache_tokens}; "
            "use workload.over_length=truncate or larger slots"
        )
