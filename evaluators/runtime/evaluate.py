"""Real execution as an evaluator (`conf/evaluator`): the compositions and jobs of the simulators, really served."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evaluators.case import Draw, Measurement
from evaluators.runtime.blocks.architecture import Architecture, architecture
from evaluators.runtime.blocks.config import architecture_from_config
from evaluators.runtime.installed import require_installed
from evaluators.runtime.spec import Batching, DtypeName, ServerSpec
from evaluators.simulation.evaluate import AllTimes, Report
from evaluators.simulation.simulate import JobTimes
from evaluators.simulation.steps import check_whole_tokens
from system import InputError, NotApplicableError, ServedModel, Servers
from system.checks import require, require_count, require_not_negative, require_one_of, require_positive
from workloads.jobs import Jobs

if TYPE_CHECKING:
    from evaluators.runtime.record import JobRecord
    from evaluators.runtime.run import Run

Engine = Literal["pipe", "local", "zeromq", "ray"]
Emulate = Literal["nothing", "rtt", "communication"]


@dataclass(frozen=True, kw_only=True)
class RuntimeEvaluator(Report):
    """Every job is really served: its prompt, then token by token, by blocks with real weights and real caches.

    - `engine`: servers are processes of this machine (`pipe`), live in this process (`local`), or are reached over
      ZeroMQ at `addresses`, in the servers' order, or placed by Ray, on the cluster whose head is at `addresses`.
    - `weights`: the seed of random weights, or the folder of a checkpoint.
    - `emulate`: what is added to the real transport: nothing, the network's round trips, or all that the system model
      calls communication.
    - `pace`: a server's step lasts at least as long as the cluster's profile says, so that it plays that hardware.
    - `sm_counts`: multiprocessors of a CUDA device for each server of the cluster (`engine` = local); none: all share.
    - `cuda_graphs`: one-token steps on a CUDA device are graphs.
    - `check_tokens`: of so many jobs the tokens are compared with the whole model's, after the run.

    The jobs after the warm-up are reported; those that failed are counted, and have no times.
    """

    engine: Engine = "pipe"
    device: str = "cpu"
    dtype: DtypeName = "float32"
    batching: Batching = "serial"
    threads: int = 1
    weights: int | str = 0
    emulate: Emulate = "rtt"
    pace: bool = False
    check_tokens: int = 0
    reroute: bool = True
    timeout_s: float = 60.0  # a server that owes answers may be silent for
    start_s: float = 300.0  # servers may take to load
    addresses: tuple[str, ...] = ()
    sm_counts: tuple[int, ...] = ()
    cuda_graphs: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(get_args(Engine), engine=self.engine)
        require_one_of(get_args(Emulate), emulate=self.emulate)
        require_positive(timeout_s=self.timeout_s, start_s=self.start_s)
        require_count(threads=self.threads)
        require_not_negative(check_tokens=self.check_tokens)
        parted = bool(self.sm_counts) and self.engine != "local"
        require(not parted, "sm_counts", list(self.sm_counts), "are of servers in one process; use engine=local")

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

    def specs(self, draw: Draw) -> dict[int, ServerSpec]:
        """What each server that hosts blocks has to know; the slab holds what the scheme may put there."""
        model, system = draw.case.fitted_model, draw.system
        shape, placement, slots = self._architecture(model), draw.composed.placement, draw.composed.slots_used()
        sm_counts = self.sm_counts or (None,) * len(system.servers)
        fits = len(sm_counts) == len(system.servers)
        require(fits, "sm_counts", list(sm_counts), f"give a number for each of {len(system.servers)} servers")
        return {
            j: ServerSpec(
                name=system.servers.name(j),
                architecture=shape,
                first_block=int(placement.first_block[j]),
                block_count=int(placement.block_count[j]),
                slot_count=int(slots[j]),
                cache_tokens=model.cache_tokens,
                weights=self.weights,
                dtype=self.dtype,
                device=self.device,
                batching=self.batching,
                pace_s=tuple(system.servers.block_s[j].tolist()) if self.pace else None,
                threads=self.threads,
                sm_count=sm_counts[j],
                cuda_graphs=self.cuda_graphs,
            )
            for j in np.flatnonzero(slots > 0).tolist()
        }

    def _architecture(self, model: ServedModel) -> Architecture:
        """That of the checkpoint, or the preset of the model's name; raises `InputError` unless it is as deep."""
        folder = self.weights if isinstance(self.weights, str) else None
        shape = architecture(model.name) if folder is None else architecture_from_config(Path(folder) / "config.json")
        if shape.block_count != model.block_count:
            raise InputError(
                f"model.block_count = {model.block_count}: {folder or shape.name} has {shape.block_count} blocks; "
                "a real run needs all of them"
            )
        return shape

    def delays_s(self, servers: Servers) -> NDArray[np.float64]:
        """(J, 3) seconds to add to a visit: once, per prompt token, and for each further token."""
        if self.emulate == "nothing":
            return np.zeros((len(servers), 3))
        if self.emulate == "communication":
            return servers.communication_s
        rtt_s = servers.orchestrator_rtt_s
        if rtt_s is None:
            raise NotApplicableError("emulate = rtt: this cluster's network has no round trips; use emulate=nothing")
        return np.column_stack([rtt_s, np.zeros(rtt_s.size), rtt_s])


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
