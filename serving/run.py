"""One real run: servers are started, jobs served, servers asked what they saw, tokens checked."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from evaluators.admission.requests import RequestAdmission
from serving.blocks.ends import Ends
from serving.blocks.reference import generate
from serving.blocks.source import block_of, ends_of
from serving.launch import fleet
from serving.orchestrator.attempt import Delays, Request, random_prompts
from serving.orchestrator.job_record import ServedJob
from serving.orchestrator.orchestrator import Orchestrator
from serving.server.spec import ServerSpec
from serving.settings import RunSettings
from system.layout import Layout
from system.response import JobTimes, Run
from system.service.model import ServiceModel
from workloads.jobs import Jobs

PARTS = ("compute", "queue", "held", "transport", "emulated_rtt")


class LostServerWarning(UserWarning):
    """A server was lost in a real run: which, and why."""


@dataclass(frozen=True)
class ServedRun(Run):
    """A real run: the times of jobs that failed are NaN. Beside the times what the servers that are left said."""

    records: Sequence[ServedJob] = ()
    stats: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    slots: Mapping[int, int] = field(default_factory=dict)
    lost: Mapping[int, str] = field(default_factory=dict)
    identical_share: float | None = None  # of the jobs whose tokens were compared with the whole model's

    @property
    def served(self) -> NDArray[np.bool_]:
        """(n,) whether each job was served."""
        return np.array([record.served for record in self.records])

    @property
    def held_slots(self) -> int:
        """Cache slots that are still taken at the end: none, if all is well."""
        return int(sum(self.slots[j] - stats["free_slots"] for j, stats in self.stats.items()))


def serve(
    layout: Layout, jobs: Jobs, settings: RunSettings, service: ServiceModel, rng: np.random.Generator
) -> ServedRun:
    """Serve jobs of whole tokens in real time, on servers that are started for it and end with it.

    `rng` is for the prompts. The service model says how servers batch, and how long a step of a paced one lasts.
    """
    torch.set_num_threads(settings.threads)
    specs = settings.specs(layout, service)
    any_spec = next(iter(specs.values()))
    ends, lengths = ends_of(any_spec), np.broadcast_to(jobs.lengths, (len(jobs), 2)).astype(np.int64)
    requests = random_prompts(any_spec.architecture.vocabulary_size, lengths, rng)
    admission, delays = RequestAdmission(layout, jobs), Delays(settings.delays_s(layout.system.servers))
    with fleet.started(settings.engine, list(specs.values()), settings.addresses) as servers:
        servers.wait_until_ready(list(specs.values()), settings.start_s)
        connections = dict(zip(specs, servers.connections, strict=True))
        orchestrator = Orchestrator(admission, connections, ends, delays, settings.timeout_s, settings.reroute)
        with tqdm(total=len(jobs), unit="job", disable=None, leave=False) as bar:
            records = orchestrator.run(jobs.arrival_s, requests, bar.update)
        stats = orchestrator.stats()
    for server, reason in orchestrator.lost.items():
        warnings.warn(f"{specs[server].name} was lost: {reason}", LostServerWarning, stacklevel=2)
    checked = requests[: settings.check_tokens]
    return ServedRun(
        job_times(records),
        _utilisation(records, stats, len(layout.system.servers)),
        records,
        stats,
        {j: spec.cache_slot_count for j, spec in specs.items()},
        orchestrator.lost,
        _identical_share(any_spec, ends, checked, records) if checked else None,
    )


def job_times(records: Sequence[ServedJob]) -> JobTimes:
    """Return the times of jobs, and the parts of their service times."""
    columns = [(r.arrival_s, r.start_s, r.first_token_s, r.end_s, len(r.tokens) - 1) for r in records]
    arrival_s, start_s, first_s, end_s, further = np.array(columns).T
    output_token_s = (end_s - first_s) / np.where(further > 0, further, np.nan)
    times = arrival_s, start_s - arrival_s, end_s - start_s, first_s - arrival_s, output_token_s
    return JobTimes(*times, parts=_parts(records))


def _parts(records: Sequence[ServedJob]) -> dict[str, NDArray[np.float64]]:
    """Return (n,) seconds of each part; `communication` is all that is neither computation nor waiting at a server."""
    parts = {name: np.array([getattr(record.parts, f"{name}_s") for record in records]) for name in PARTS}
    parts["orchestrator"] = np.array([record.orchestrator_s for record in records])
    parts["communication"] = parts["transport"] + parts["emulated_rtt"] + parts["orchestrator"]
    return parts


def _utilisation(
    records: Sequence[ServedJob], stats: Mapping[int, Mapping[str, float]], server_count: int
) -> NDArray[np.float64]:
    """Return (J,) share of the run in which each server computed or held its pace; NaN where it did not say."""
    utilisation = np.full(server_count, np.nan)
    ends_s = [record.end_s for record in records if record.served]
    for j, said in stats.items() if ends_s else ():
        utilisation[j] = said["busy_s"] / (max(ends_s) - records[0].arrival_s)
    return utilisation


def _identical_share(spec: ServerSpec, ends: Ends, requests: Sequence[Request], records: Sequence[ServedJob]) -> float:
    """Return the share of the served ones of these jobs whose tokens are those of the whole model in one process."""
    blocks = [block_of(spec, b) for b in range(spec.architecture.block_count)]
    same = [
        generate(spec.architecture, blocks, ends, request.prompt.tolist(), request.output_tokens) == record.tokens
        for request, record in zip(requests, records, strict=False)
        if record.served
    ]
    return float(np.mean(same)) if same else float("nan")
