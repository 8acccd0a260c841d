"""What every workload offers to those who evaluate with it."""

from typing import Protocol

from system.checks import require_positive
from system.errors import InputError
from system.random_streams import RandomStreams
from workloads.jobs import Jobs


class Workload(Protocol):
    """A stream of requests: configuration makes it, a run asks it for the jobs of one replication."""

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """Mean of x = (1, input tokens, output tokens - 1) over the requests."""

    @property
    def native_rate_per_s(self) -> float | None:
        """The rate at which the requests come if none is asked for; None where there is no such thing."""

    def cache_tokens(self, limit: int) -> int:
        """Tokens (input and output together) that a cache slot must hold, when the served model's slot has `limit`."""

    def over_length_share(self, limit: int) -> float:
        """Share of the requests that have more than `limit` tokens, before any treatment."""

    def fitted(self, limit: int) -> "Workload":
        """The same workload with the requests of more than `limit` tokens treated."""

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """The jobs of one replication at that rate, None being the native one; `InputError` if there is none."""


def rate_or_native(rate_per_s: float | None, native_rate_per_s: float | None) -> float:
    """The rate asked for, else the native one; `InputError` if there is neither or it is not above 0."""
    rate = native_rate_per_s if rate_per_s is None else rate_per_s
    if rate is None:
        raise InputError("rate_per_s = None: this workload has no rate of its own, give an arrival rate")
    require_positive(rate_per_s=rate)
    return rate
