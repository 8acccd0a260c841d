"""What the theory of requests that slow each other answers with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.queueing.exact_response import ExponentialWaits, quantile, two_stage_tail
from system.errors import UnstableError

Floats = NDArray[np.float64]


def require_below(largest_per_s: float, rate_per_s: float, where: str) -> None:
    """Raise `UnstableError` unless λ < ν'; `where` describes the chains."""
    if rate_per_s >= largest_per_s:
        raise UnstableError(
            f"arrival_rate_per_s = {rate_per_s:g}: must be below {largest_per_s:g}/s, which is about the largest "
            f"rate of these chains {where}; lower the rate or add servers"
        )


@dataclass(frozen=True)
class InterferenceResponse:
    """Approximate means where jobs slow each other. Times are in seconds."""

    arrival_rate_per_s: float
    largest_rate_per_s: float  # ν', below which there is a steady state
    mean_response_s: float
    waiting_probability: float
    chain_shares: Floats  # (K,) share of all jobs served by each chain
    _first_token_s: float  # from the start of a job

    @property
    def load(self) -> float:
        """Return the load λ/ν'."""
        return self.arrival_rate_per_s / self.largest_rate_per_s

    @property
    def mean_waiting_s(self) -> float:
        """Return the mean waiting time; jobs that wait do so for Exp(ν' - λ)."""
        return self.waiting_probability / (self.largest_rate_per_s - self.arrival_rate_per_s)

    @property
    def mean_service_s(self) -> float:
        """Return the mean service time."""
        return self.mean_response_s - self.mean_waiting_s

    @property
    def mean_first_token_s(self) -> float:
        """Return the mean time from arrival to first token."""
        return self.mean_waiting_s + self._first_token_s

    def response_quantiles_s(self, quantiles: Sequence[float]) -> Mapping[float, float]:
        """Return the known quantiles of response times: none."""
        return {}


@dataclass(frozen=True, kw_only=True)
class LockstepResponse(InterferenceResponse):
    """The same in lockstep, with quantiles of the response time where sizes are exponential.

    A job on chain k takes a fixed time and an exponential one after its wait.
    """

    waits: ExponentialWaits
    service_s: Floats  # (K,) mean service times
    fixed_s: Floats  # (K,) the parts of them that do not depend on the size of a job
    has_exponential_sizes: bool

    @property
    def mean_waiting_s(self) -> float:
        """Return the mean waiting time."""
        return self.waits.mean_s

    def response_quantiles_s(self, quantiles: Sequence[float]) -> Mapping[float, float]:
        """Return the response times at the quantiles, or none if sizes are not exponential."""
        if not self.has_exponential_sizes:
            return {}
        return {q: quantile(self.response_tail, q, self.mean_response_s) for q in quantiles}

    def response_tail(self, time_s: float) -> float:
        """Return P(response time > `time_s`)."""
        rate_per_s, after_s = 1 / (self.service_s - self.fixed_s), np.maximum(time_s - self.fixed_s, 0.0)
        immediate = self.chain_shares - self.waits.by_chain
        waited = two_stage_tail(after_s, self.waits.spare_rate_per_s, rate_per_s)
        return float(immediate @ np.exp(-rate_per_s * after_s) + self.waits.by_chain @ waited)
