"""The interface of every workload."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from system.checks import require_memory, require_positive
from system.errors import InputError
from system.random_streams import RandomStreams
from workloads.jobs import Jobs

JOB_BYTES = 100  # of a job and its times


class Workload(Protocol):
    """A stream of requests.

    Configuration makes it; a run takes the jobs of one replication from it.
    """

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """Return the mean of x = (1, input tokens, output tokens - 1)."""

    @property
    def prompt_cv(self) -> float:
        """Return the standard deviation of a prompt's tokens over their mean.

        If a job's size multiplies its times, it is that of the size.
        """

    @property
    def native_rate_per_s(self) -> float | None:
        """Return the workload's own arrival rate; None if it has none."""

    def cache_tokens(self, limit: int) -> int:
        """Return the tokens (input and output together) that a cache slot must hold.

        `limit` is the size of the served model's slot.
        """

    def over_length_share(self, limit: int) -> float:
        """Return the share of untreated requests that have more than `limit` tokens."""

    def fitted(self, limit: int) -> "Workload":
        """Return the workload with requests of more than `limit` tokens treated."""

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """Return the jobs of one replication at a rate; None means the native rate.

        Raises `InputError` if neither rate is given.
        """


@runtime_checkable
class ChunkedWorkload(Workload, Protocol):
    """A workload whose jobs can be drawn in chunks, so that never all of them are in memory."""

    job_count: int

    def chunks(self, rate_per_s: float | None, streams: RandomStreams, chunk_jobs: int) -> Iterator[Jobs]:
        """Yield the jobs of one replication in chunks of `chunk_jobs`."""


def require_job_memory(job_count: int) -> None:
    """Raise `InputError` unless all jobs of a simulation fit into memory at once."""
    require_memory(JOB_BYTES * job_count, "use fewer jobs, or evaluator=simulation_stream", job_count=job_count)


def rate_or_native(rate_per_s: float | None, native_rate_per_s: float | None) -> float:
    """Return the given rate, else the native one.

    Raises `InputError` if there is neither or if it is not above 0.
    """
    rate = native_rate_per_s if rate_per_s is None else rate_per_s
    if rate is None:
        raise InputError("rate_per_s = None: this workload has no rate of its own; give an arrival rate")
    require_positive(rate_per_s=rate)
    return rate
