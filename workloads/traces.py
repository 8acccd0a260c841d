"""Replay of recorded requests at any rate, with their arrival times, input and output tokens."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from system.checks import require, require_count, require_positive
from system.errors import InputError
from system.random_streams import RandomStreams
from workloads.datasets import DataSet
from workloads.jobs import Jobs
from workloads.requests import OverLength, Requests, fitted, over_length_share, require_treatment
from workloads.trace_files import read_requests


@dataclass(frozen=True)
class TraceWorkload:
    """The requests of a data set: all, the first few, or those in a time window.

    `over_length` selects the treatment of requests that are longer than a cache slot (`workloads.requests`). Requests
    stay as recorded until `fitted` sets `slot_tokens`, the limit.
    """

    dataset: DataSet
    first: int | None = None  # this many requests
    window_s: tuple[float, float] | None = None  # [start, end), counted from the first request of the file
    over_length: OverLength = "truncate"
    slot_tokens: int | None = None

    def __post_init__(self) -> None:
        require_treatment(self.over_length)
        for name in ("first", "slot_tokens"):
            if getattr(self, name) is not None:
                require_count(**{name: getattr(self, name)})
        if self.window_s is not None:
            self._check_window(tuple(self.window_s))

    def _check_window(self, window_s: tuple[float, ...]) -> None:
        require(self.first is None, "first", self.first, "give either first or window_s, not both")
        ascending = len(window_s) == 2 and 0 <= window_s[0] < window_s[1]
        require(ascending, "window_s", list(window_s), "must be [start, end] with 0 <= start < end")
        object.__setattr__(self, "window_s", window_s)

    @cached_property
    def recorded(self) -> Requests:
        """Return the selected requests as recorded, the first one at time 0."""
        requests = read_requests(self.dataset.path())
        selected = requests.select(self._rows(requests))
        return replace(selected, arrival_s=selected.arrival_s - selected.arrival_s[0])

    def _rows(self, requests: Requests) -> slice:
        """Return the rows that `first` or `window_s` selects."""
        count = len(requests)
        if self.window_s is not None:
            start, end = np.searchsorted(requests.arrival_s, self.window_s)
            remedy = f"no request of {self.dataset.name} lies in it; they span 0 to {requests.arrival_s[-1]:g} s"
            require(start < end, "window_s", list(self.window_s), remedy)
            return slice(int(start), int(end))
        if self.first is not None:
            size = f"{count} {'request' if count == 1 else 'requests'}"
            require(self.first <= count, "first", self.first, f"{self.dataset.name} has only {size}; use fewer")
        return slice(0, self.first)

    @cached_property
    def requests(self) -> Requests:
        """Return the requests to replay; over-long ones are treated once a slot is set."""
        return fitted(self.recorded, self.over_length, self.slot_tokens)

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """Return (1, mean input tokens, mean output tokens - 1) of the replayed requests."""
        return self.requests.mean_job

    @property
    def native_rate_per_s(self) -> float | None:
        """Return the number of gaps over their sum, in 1/s.

        None if all requests arrived at one instant.
        """
        arrival_s = self.requests.arrival_s
        span_s = float(arrival_s[-1] - arrival_s[0])
        return (arrival_s.size - 1) / span_s if span_s > 0 else None

    def cache_tokens(self, limit: int) -> int:
        """Return `limit`; under `size_to_trace` at least the tokens of the longest request."""
        return max(limit, int(self.recorded.total_tokens.max())) if self.over_length == "size_to_trace" else limit

    def over_length_share(self, limit: int) -> float:
        """Return the share of recorded requests that have more than `limit` tokens.

        Input and output tokens count together.
        """
        return over_length_share(self.recorded, limit)

    def fitted(self, limit: int) -> "TraceWorkload":
        """Return the trace with over-long requests treated for slots of `limit` tokens."""
        return replace(self, slot_tokens=limit)

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """Return the requests as jobs of size 1.

        At a rate other than the native one all arrival times are scaled by the same factor.
        """
        requests, count = self.requests, len(self.requests)
        uniform = streams.jobs("choices").random(count)
        return Jobs(requests.arrival_s * self._time_scale(rate_per_s), np.ones(count), requests.lengths, uniform)

    def _time_scale(self, rate_per_s: float | None) -> float:
        """Return the factor by which recorded times must be multiplied to have that rate."""
        if rate_per_s is None:
            return 1.0
        require_positive(rate_per_s=rate_per_s)
        native = self.native_rate_per_s
        if native is None:
            raise InputError(
                f"rate_per_s = {rate_per_s}: requests at one instant have no rate to scale; use more requests"
            )
        return native / rate_per_s
