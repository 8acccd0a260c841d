"""One real run: servers are started, jobs served, servers asked what they saw, tokens checked."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from evaluators.admission import admission_of
from evaluators.case import Draw
from evaluators.runtime import fleet
from evaluators.runtime.attempt import Delays, Request, random_prompts
from evaluators.runtime.blocks.ends import Ends
from evaluators.runtime.blocks.reference import generate
from evaluators.runtime.model import block_of, ends_of
from evaluators.runtime.orchestrator import Orchestrator
from evaluators.runtime.record import JobRecord
from evaluators.runtime.settings import RunSettings
from evaluators.runtime.spec import ServerSpec
from system import Composition
from workloads.jobs import Jobs


class LostServerWarning(UserWarning):
    """A server was lost in a real run: which, and why."""


@dataclass(frozen=True)
class Run:
    """What came of the jobs, and what the servers that are left said at the end."""

    records: list[JobRecord]
    stats: dict[int, dict[str, float]]
    slots: dict[int, int]
    lost: dict[int, str]
    identical_share: float | None

    @property
    def held_slots(self) -> int:
        """Cache slots that are still taken at the end: none, if all is well."""
        return int(sum(self.slots[j] - stats["free_slots"] for j, stats in self.stats.items()))

    def utilisation(self) -> dict[int, float]:
        """Share of the time from the first arrival to the last end in which each server computed or held its pace."""
        end_s = np.nanmax([record.end_s for record in self.records])
        return {j: stats["busy_s"] / (end_s - self.records[0].arrival_s) for j, stats in self.stats.items()}


def run(settings: RunSettings, draw: Draw, jobs: Jobs, rng: np.random.Generator) -> Run:
    """Serve the jobs in real time on servers that are started for it and end with it."""
    torch.set_num_threads(settings.threads)
    specs = settings.specs(draw)
    some = next(iter(specs.values()))
    ends, lengths = ends_of(some), np.broadcast_to(jobs.lengths, (len(jobs), 2)).astype(np.int64)
    requests = random_prompts(some.architecture.vocabulary_size, lengths, rng)
    dispatch = draw.dispatch if isinstance(draw.composed, Composition) else None
    admission = admission_of(draw.composed, dispatch, jobs)
    delays = Delays(settings.delays_s(draw.system.servers))
    with fleet.started(settings.engine, list(specs.values()), settings.addresses) as servers:
        servers.wait_until_ready(list(specs.values()), settings.start_s)
        links = dict(zip(specs, servers.links, strict=True))
        orchestrator = Orchestrator(admission, links, ends, delays, settings.timeout_s, settings.reroute)
        with tqdm(total=len(jobs), unit="job", disable=None, leave=False) as bar:
            records = orchestrator.run(jobs.arrival_s, requests, bar.update)
        stats = orchestrator.stats()
    for server, reason in orchestrator.lost.items():
        warnings.warn(f"{specs[server].name} was lost: {reason}", LostServerWarning, stacklevel=2)
    checked = requests[: settings.check_tokens]
    identical = _identical_share(some, ends, checked, records) if checked else None
    return Run(records, stats, {j: spec.slot_count for j, spec in specs.items()}, orchestrator.lost, identical)


def _identical_share(spec: ServerSpec, ends: Ends, requests: Sequence[Request], records: Sequence[JobRecord]) -> float:
    """Share of the served ones of these jobs whose tokens are those of the whole model in one place."""
    blocks = [block_of(spec, b) for b in range(spec.architecture.block_count)]
    same = [
        generate(spec.architecture, blocks, ends, request.prompt.tolist(), request.output_tokens) == record.tokens
        for request, record in zip(requests, records, strict=False)
        if record.served
    ]
    return float(np.mean(same)) if same else float("nan")
