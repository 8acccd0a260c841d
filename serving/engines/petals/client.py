"""PETALS' own client as the load: it takes jobs with arrival times, chooses paths, waits and tries again by itself."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from serving.engines.petals.environment import INSIDE, guarded
from serving.engines.petals.swarm import sentence_of
from serving.engines.processes import Child, Children
from system import InputError
from system.response import JobTimes
from workloads.jobs import Jobs


class Visit(NamedTuple):
    """One step of a job on one server: the blocks that it ran, its tokens, and the seconds that the client waited."""

    first: int
    end: int
    tokens: int
    wait_s: float


class Search(NamedTuple):
    """One search of the client for a path: when, from which block on, and how many attempts had failed there."""

    time_s: float
    block: int
    attempt: int


@dataclass(frozen=True)
class PetalsJob:
    """What became of one job; times are in seconds from the beginning of the round."""

    arrival_s: float
    start_s: float  # when its client began to look for a path
    tokens: Sequence[int]
    tokens_s: Sequence[float]  # when each token came
    visits: Sequence[Visit]
    searches: Sequence[Search]
    reason: str  # why it failed; empty if it did not

    @property
    def served(self) -> bool:
        """Return whether all tokens came."""
        return not self.reason

    @property
    def waiting_s(self) -> float:
        """Return the time from the arrival to the last search for a path."""
        return self.searches[-1].time_s - self.arrival_s if self.searches else np.nan


@dataclass
class Client:
    """A process with PETALS' client, and the socket over which lines of JSON pass."""

    child: Child
    lines: TextIO
    silence_s: float

    def serve(self, jobs: Jobs, prompts: Sequence[Sequence[int]], reserved_tokens: int) -> list[PetalsJob]:
        """Serve a round of jobs of whole tokens.

        Each job reserves `reserved_tokens` tokens of cache on every server of its path. Raises `InputError` if the
        client ends or says nothing for too long before all jobs have ended.
        """
        further = np.broadcast_to(jobs.lengths, (len(jobs), 2))[:, 1].astype(int).tolist()
        fields = [
            {"arrival_s": s, "prompt": list(prompt), "output_tokens": n + 1, "reserved_tokens": reserved_tokens}
            for s, prompt, n in zip(jobs.arrival_s.tolist(), prompts, further, strict=True)
        ]
        self._ask(fields)
        ended: dict[int, PetalsJob] = {}
        while "job" in (line := self.answer()):
            ended[line["job"]] = _job(line, jobs.arrival_s[line["job"]])
        return [ended[i] for i in range(len(fields))]

    def answer(self) -> dict[str, Any]:
        """Return the next line of the client; raise `InputError` if there is none."""
        try:
            line = self.lines.readline()
        except TimeoutError as error:
            raise InputError(
                f"{self.child.name}: is silent for more than {self.silence_s:g} s; see {self.child.log}"
            ) from error
        except OSError:
            line = ""
        if not line:
            raise InputError(sentence_of(self.child))
        return json.loads(line)

    def _ask(self, fields: Sequence[Mapping[str, Any]]) -> None:
        try:
            print(json.dumps(fields), file=self.lines, flush=True)
        except OSError as error:
            raise InputError(sentence_of(self.child)) from error


@contextmanager
def reach(
    python: Path, model: Path, settings: Mapping[str, Any], logs: Path, silence_s: float = 300.0
) -> Iterator[Client]:
    """Yield a client that has loaded the model; end its processes afterwards.

    `settings` are fields of PETALS' `ClientConfig`, at least `initial_peers` and `dht_prefix`. The client may be silent
    for `silence_s`.
    """
    ours, theirs = socket.socketpair()
    words = guarded(python, str(INSIDE / "client.py"), str(theirs.fileno()), str(model), json.dumps(dict(settings)))
    with ours, Children(logs, silence_s) as children:
        with theirs:
            child = children.start("PETALS client", "client", words, [theirs.fileno()])
        ours.settimeout(silence_s)
        started = Client(child, ours.makefile("rw"), silence_s)
        started.answer()
        yield started


def random_prompts(jobs: Jobs, vocabulary_size: int, seed: int) -> list[list[int]]:
    """Return a prompt for each job, without the model's three special tokens."""
    rng = np.random.default_rng(seed)
    inputs = np.broadcast_to(jobs.lengths, (len(jobs), 2))[:, 0].astype(int)
    return [rng.integers(3, vocabulary_size, count).tolist() for count in inputs]


def job_times(jobs: Sequence[PetalsJob]) -> JobTimes:
    """Return the times of jobs; those of a failed job are NaN."""
    arrival_s = np.array([job.arrival_s for job in jobs])
    waiting_s = np.array([job.waiting_s if job.served else np.nan for job in jobs])
    first_s = np.array([job.tokens_s[0] if job.served else np.nan for job in jobs])
    end_s = np.array([job.tokens_s[-1] if job.served else np.nan for job in jobs])
    further = np.array([len(job.tokens_s) - 1 for job in jobs])
    output_token_s = (end_s - first_s) / np.where(further > 0, further, np.nan)
    return JobTimes(arrival_s, waiting_s, end_s - arrival_s - waiting_s, first_s - arrival_s, output_token_s)


def _job(line: Mapping[str, Any], arrival_s: float) -> PetalsJob:
    visits = [Visit(*visit) for visit in line["visits"]]
    searches = [Search(*search) for search in line["searches"]]
    times = line["start_s"], line["tokens"], line["tokens_s"]
    return PetalsJob(float(arrival_s), *times, visits, searches, line["reason"])
