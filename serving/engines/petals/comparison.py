"""Jobs served by PETALS beside what this project predicts for them, from a profile with one job at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from serving.engines.petals.client import Client, PetalsJob, job_times, random_prompts, reach
from serving.engines.petals.environment import PYTHON, require_petals
from serving.engines.petals.model import SmallLlama
from serving.engines.petals.prediction import predictions
from serving.engines.petals.profile import AloneTimes, fit
from serving.engines.petals.spans import ServerOptions, Span
from serving.engines.petals.swarm import Petals, Swarm, start
from system import InputError
from system.response import JobTimes
from workloads.jobs import Jobs

LOST_S = 20.0  # after which PETALS' client gives up a step and tries another path; its default is 180 s


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A chain of servers of one pool each, and the jobs that it serves at several loads."""

    blocks: tuple[int, ...] = (2, 6)
    sessions: int = 3  # that the pool of each server holds
    prompt_tokens: tuple[int, int] = (16, 96)
    output_tokens: tuple[int, int] = (8, 40)
    loads: tuple[float, ...] = (0.2, 0.4, 0.6)  # of the rate `sessions` / T that equation (2) allows
    job_count: int = 40
    alone_count: int = 6  # jobs of a profile
    model: SmallLlama = field(default_factory=SmallLlama)
    seed: int = 1

    @property
    def reserved_tokens(self) -> int:
        """Return the tokens that each job reserves."""
        return self.prompt_tokens[1] + self.output_tokens[1]

    def spans(self) -> list[Span]:
        """Return the servers of the chain."""
        ends = np.cumsum(self.blocks).tolist()
        pool = self.sessions * self.reserved_tokens
        return [Span(f"{end - m}:{end}", end - m, end, pool) for m, end in zip(self.blocks, ends, strict=True)]

    def jobs(self, rate_per_s: float) -> Jobs:
        """Return the jobs at a rate.

        All rates have the same jobs, only sooner or later.
        """
        rng, n = np.random.default_rng(self.seed), self.job_count
        arrival_s = np.cumsum(rng.exponential(1.0, n)) / rate_per_s
        inputs = rng.integers(*self.prompt_tokens, n, endpoint=True)
        outputs = rng.integers(*self.output_tokens, n, endpoint=True)
        return Jobs(arrival_s, np.ones(n), np.column_stack([inputs, outputs - 1]), rng.random(n))


@dataclass(frozen=True)
class Measured:
    """One load: what was measured and what was predicted."""

    load: float
    rate_per_s: float
    jobs: Sequence[PetalsJob]
    times: JobTimes
    predicted: Mapping[str, JobTimes]


@dataclass(frozen=True)
class Result:
    """The profile of all jobs without company, those before, between and after the loads, and the loads."""

    alone: AloneTimes
    tokens_s: Sequence[float]  # of each profile, the time of a token
    loads: Sequence[Measured]


@contextmanager
def served(
    spans: Sequence[Span], model: SmallLlama, folder: Path, python: Path = PYTHON
) -> Iterator[tuple[Swarm, Client]]:
    """Yield a swarm of a small model, and a client that has reached it."""
    require_petals(python)
    folder.mkdir(parents=True, exist_ok=True)
    options = ServerOptions(model=folder / "model", most_tokens=model.most_tokens)
    settings = Petals(options=options, logs=folder / "logs", python=python)
    if not options.model.exists():
        model.write(options.model, python)
    with start(spans, settings) as swarm:
        reached = {"initial_peers": swarm.peers, "dht_prefix": options.prefix, "request_timeout": LOST_S}
        with reach(python, options.model, reached, settings.logs) as load:
            yield swarm, load


def compare(comparison: Comparison, folder: Path, python: Path = PYTHON) -> Result:
    """Serve the jobs at each load, and predict them.

    The first profile decides on the rates. All of them together make the predictions, so that these are of the same
    minutes as the loads. Raises `InputError` if a job fails.
    """
    spans = comparison.spans()
    with served(spans, comparison.model, folder, python) as (_, client_of_swarm):
        profiles, loads = [_alone(client_of_swarm, comparison)], []
        for share in comparison.loads:
            rate_per_s = share * comparison.sessions / service_s(comparison, fit(profiles[0]))
            jobs = comparison.jobs(rate_per_s)
            loads.append((share, rate_per_s, jobs, _served(client_of_swarm, comparison, jobs)))
            profiles.append(_alone(client_of_swarm, comparison))
    alone = fit([job for profile in profiles for job in profile])
    reserved = comparison.reserved_tokens
    return Result(
        alone,
        [fit(profile).token_s(comparison.blocks) for profile in profiles],
        [
            Measured(share, rate_per_s, done, job_times(done), predictions(spans, alone, jobs, reserved))
            for share, rate_per_s, jobs, done in loads
        ],
    )


def _alone(load: Client, comparison: Comparison) -> list[PetalsJob]:
    """Serve jobs one after the other, with short and long prompts by turns.

    The first two only warm up.
    """
    jobs: list[PetalsJob] = []
    for i in range(comparison.alone_count + 2):
        lengths = np.array([[comparison.prompt_tokens[i % 2], comparison.output_tokens[1] - 1.0]])
        one = Jobs(np.zeros(1), np.ones(1), lengths, np.zeros(1))
        jobs += _served(load, comparison, one)
    return jobs[2:]


def service_s(comparison: Comparison, alone: AloneTimes) -> float:
    """Return the mean service time T of equation (2)."""
    lengths = comparison.jobs(1.0).lengths
    x = np.array([1.0, *lengths.mean(axis=0)])
    hops, blocks = len(comparison.blocks), sum(comparison.blocks)
    return float((alone.client_s + hops * alone.visit_s + blocks * alone.block_s) @ x)


def _served(load: Client, comparison: Comparison, jobs: Jobs) -> list[PetalsJob]:
    """Serve jobs with random prompts; raise `InputError` if one fails."""
    prompts = random_prompts(jobs, comparison.model.vocabulary_size, comparison.seed)
    served_jobs = load.serve(jobs, prompts, comparison.reserved_tokens)
    for job in served_jobs:
        if not job.served:
            raise InputError(f"PETALS: a job failed: {job.reason}")
    return served_jobs
