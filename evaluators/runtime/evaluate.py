"""Real execution as an evaluator (`conf/evaluator`): the compositions and jobs of the simulators, really served."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluators.case import Draw, Measurement
from evaluators.runtime.installed import require_installed
from evaluators.runtime.settings import RunSettings
from evaluators.simulation.evaluate import AllTimes, Report
from evaluators.simulation.simulate import JobTimes
from evaluators.simulation.steps import check_whole_tokens
from system import InputError
from workloads.jobs import Jobs

if TYPE_CHECKING:
    from evaluators.runtime.record import JobRecord
    from evaluators.runtime.run import Run


@dataclass(frozen=True, kw_only=True)
class RuntimeEvaluator(RunSettings, Report):
    """Every job is really served: its prompt, then token by token, by blocks with real weights and real caches.

    The jobs after the warm-up are reported; those that failed are counted, and have no times.
    """

    def __post_init__(self) -> None:
        RunSettings.__post_init__(self)
        Report.__post_init__(self)

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        jobs = draw.jobs(replication)
        check_whole_tokens(jobs)
        check_lengths(jobs, draw.case.fitted_model.cache_tokens)
        require_installed("torch")
        from evaluators.runtime.run import run

        ran = run(self, draw, jobs, draw.streams(replication).jobs("prompts"))
        first = int(len(jobs) * self.warm_up)
        served = [record for record in ran.records[first:] if record.served]
        if not served:
            reasons = sorted({record.reason for record in ran.records})
            raise InputError(f"real run: no job was served after the warm-up; {'; '.join(reasons)}")
        return [
            *self.measurements(draw, AllTimes(job_times(served))),
            *_parts(served),
            *_faults(ran, first),
            *(Measurement("server_utilisation", share, j) for j, share in ran.utilisation().items()),
            *_token_steps(ran),
        ]


def job_times(records: "Sequence[JobRecord]") -> JobTimes:
    """The times of jobs that were served."""
    arrival_s, start_s, first_s, end_s, further = np.array(
        [(r.arrival_s, r.start_s, r.first_token_s, r.end_s, len(r.tokens) - 1) for r in records]
    ).T
    with np.errstate(invalid="ignore"):
        output_token_s = (end_s - first_s) / np.where(further > 0, further, np.nan)
    return JobTimes(arrival_s, start_s - arrival_s, end_s - start_s, first_s - arrival_s, output_token_s)


def _parts(records: "Sequence[JobRecord]") -> list[Measurement]:
    """Means of the parts of the service time over jobs, and medians over jobs of what a hop costs beyond the model."""
    parts = [record.parts for record in records]
    names = ("compute_s", "queue_s", "held_s", "transport_s", "emulated_rtt_s")
    columns = {name: np.array([getattr(part, name) for part in parts]) for name in names}
    columns["orchestrator_s"] = np.array([record.orchestrator_s for record in records])
    communication_s = columns["transport_s"] + columns["emulated_rtt_s"] + columns["orchestrator_s"]
    hops = np.array([part.hops for part in parts])
    overhead_s = columns["transport_s"] + columns["orchestrator_s"]
    return [
        *(Measurement(f"{name.removesuffix('_s')}_mean_s", float(column.mean())) for name, column in columns.items()),
        Measurement("communication_mean_s", float(communication_s.mean())),
        Measurement("overhead_per_hop_median_s", float(np.median(overhead_s / hops))),
        Measurement("transport_per_hop_median_s", float(np.median(columns["transport_s"] / hops))),
    ]


def _token_steps(ran: "Run") -> Iterator[Measurement]:
    """Of the steps of one token that each server computed alone, if there were several."""
    for j, stats in ran.stats.items():
        for metric in ("token_step_mean_s", "token_step_cv"):
            if metric in stats:
                yield Measurement(metric, stats[metric], j)


def _faults(ran: "Run", first: int) -> list[Measurement]:
    """What did not go as planned, from job number `first` on."""
    records = ran.records[first:]
    measurements = [
        Measurement("failed_jobs", sum(not record.served for record in records)),
        Measurement("rerouted_jobs", sum(record.served and record.attempts > 1 for record in records)),
        Measurement("held_slots", ran.held_slots),
        *(Measurement("lost_server", server in ran.lost, server) for server in ran.slots),
    ]
    if ran.identical_share is not None:
        measurements.append(Measurement("tokens_identical", ran.identical_share))
    return measurements


def check_lengths(jobs: Jobs, cache_tokens: int) -> None:
    """Raise `InputError` if a job is longer than a cache slot: it could not be served to its end."""
    longest = int((jobs.lengths.sum(axis=1) + 1).max())
    if longest - 1 > cache_tokens:
        raise InputError(
            f"workload: its longest job has {longest} tokens and a cache slot {cache_tokens}; "
            "use workload.over_length=truncate or larger slots"
        )
