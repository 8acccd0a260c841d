"""One real run: start servers, serve jobs, collect the servers' statistics, and check tokens."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from evaluators.admission.requests import RequestAdmission
from serving.blocks.embedding_and_head import EmbeddingAndHead
from serving.blocks.reference import generate
from serving.blocks.supported import vocabulary_size
from serving.launch import fleet
from serving.orchestrator.attempt import Delays, Request, random_prompts
from serving.orchestrator.job_record import ServedJob
from serving.orchestrator.orchestrator import Orchestrator
from serving.server.model import block_of, embedding_and_head_of
from serving.server.spec import ServerSpec
from serving.settings import RunSettings
from system.layout import Layout
from system.response import JobTimes, Run
from system.service.model import ServiceModel
from workloads.jobs import Jobs

PARTS = ("compute", "queue", "held", "transport", "emulated_rtt")


class LostServerWarning(UserWarning):
    """A warning with the name of a server that was lost in a real run, and the reason."""


@dataclass(frozen=True)
class ServedRun(Run):
    """A real run. The times of failed jobs are NaN."""

    records: Sequence[ServedJob] = ()
    stats: Mapping[int, Mapping[str, float]] = field(default_factory=dict)  # by server, without lost ones
    slots: Mapping[int, int] = field(default_factory=dict)  # cache slots by server
    lost: Mapping[int, str] = field(default_factory=dict)  # reasons by server
    identical_share: float | None = None  # share of the checked jobs whose tokens are those of the whole model

    @property
    def served(self) -> NDArray[np.bool_]:
        """Return (n,) whether each job was served."""
        return np.array([record.served for record in self.records])

    @property
    def held_slots(self) -> int:
        """Return the number of cache slots still taken at the end.

        It is 0 if all is well.
        """
        return int(sum(self.slots[j] - stats["free_slots"] for j, stats in self.stats.items()))


@contextmanager
def orchestrated(
    layout: Layout,
    admission: RequestAdmission,
    settings: RunSettings,
    service: ServiceModel,
    embedding_and_head: EmbeddingAndHead,
) -> Iterator[Orchestrator]:
    """Start a layout's servers, and yield an orchestrator once they are ready.

    The servers end afterwards, but those of `engine` = zeromq go on. The service model says how prompts are cut, how
    servers batch steps, and how long the steps of paced servers last.
    """
    specs, delays = settings.specs(layout, service), Delays(settings.delays_s(layout.system.servers))
    with fleet.start(settings.engine, list(specs.values()), settings.addresses, settings.secret) as servers:
        servers.wait_until_ready(list(specs.values()), settings.start_s)
        connections = dict(zip(specs, servers.connections, strict=True))
        chunk_tokens = service.rules.prefill_chunk_tokens
        yield Orchestrator(
            admission, connections, embedding_and_head, delays, settings.timeout_s, settings.reroute, chunk_tokens
        )


def serve(
    layout: Layout, jobs: Jobs, settings: RunSettings, service: ServiceModel, rng: np.random.Generator
) -> ServedRun:
    """Serve jobs of whole tokens in real time, on servers as `orchestrated` starts them.

    `rng` draws the prompts.
    """
    torch.set_num_threads(settings.threads)
    specs = settings.specs(layout, service)
    any_spec = next(iter(specs.values()))
    embedding_and_head = embedding_and_head_of(any_spec)
    lengths = np.broadcast_to(jobs.lengths, (len(jobs), 2)).astype(np.int64)
    requests = random_prompts(vocabulary_size(any_spec.decoder), lengths, rng)
    admission = RequestAdmission(layout, jobs)
    with orchestrated(layout, admission, settings, service, embedding_and_head) as orchestrator:
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
        _identical_share(any_spec, embedding_and_head, checked, records) if checked else None,
    )


def job_times(records: Sequence[ServedJob]) -> JobTimes:
    """Return the times of jobs, and the parts of their service times."""
    columns = [(r.arrival_s, r.start_s, r.first_token_s, r.end_s, len(r.tokens) - 1) for r in records]
    arrival_s, start_s, first_s, end_s, further = np.array(columns).T
    output_token_s = (end_s - first_s) / np.where(further > 0, further, np.nan)
    times = arrival_s, start_s - arrival_s, end_s - start_s, first_s - arrival_s, output_token_s
    return JobTimes(*times, parts=_parts(records))


def _parts(records: Sequence[ServedJob]) -> dict[str, NDArray[np.float64]]:
    """Return (n,) seconds of each part of the service time.

    `communication` is everything that is neither computation nor waiting at a server.
    """
    parts = {name: np.array([getattr(record.parts, f"{name}_s") for record in records]) for name in PARTS}
    parts["orchestrator"] = np.array([record.orchestrator_s for record in records])
    parts["communication"] = parts["transport"] + parts["emulated_rtt"] + parts["orchestrator"]
    return parts


def _utilisation(
    records: Sequence[ServedJob], stats: Mapping[int, Mapping[str, float]], server_count: int
) -> NDArray[np.float64]:
    """Return (J,) share of the run in which each server was busy.

    A server is busy while it computes or keeps its pace. The share is NaN for servers without statistics.
    """
    utilisation = np.full(server_count, np.nan)
    ends_s = [record.end_s for record in records if record.served]
    for j, reported in stats.items() if ends_s else ():
        utilisation[j] = reported["busy_s"] / (max(ends_s) - records[0].arrival_s)
    return utilisation


def _identical_share(
    spec: ServerSpec, embedding_and_head: EmbeddingAndHead, requests: Sequence[Request], records: Sequence[ServedJob]
) -> float:
    """Return the share of served jobs whose tokens equal the whole model's.

    The whole model runs in this process. The share is NaN if none of the jobs was served.
    """
    blocks = [block_of(spec, b) for b in range(spec.decoder.block_count)]
    same = [
        generate(spec.decoder, blocks, embedding_and_head, request.prompt.tolist(), request.output_tokens)
        == record.tokens
        for request, record in zip(requests, records, strict=False)
        if record.served
    ]
    return float(np.mean(same)) if same else float("nan")
