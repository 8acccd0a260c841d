"""Replay of recorded requests at any rate, with their arrival times, input and output tokens."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from system.checks import is_finite_number, require, require_count, require_positive
from system.errors import InputError
from system.limits import TOKENS, TRACE_REQUESTS
from system.random_streams import RandomStreams
from system.words import counted
from workloads.datasets import DataSet, require_file, sha256_of
from workloads.jobs import Jobs
from workloads.requests import OverLength, Requests, fitted, over_length_share, require_treatment
from workloads.trace_formats import TraceFormat, Unanswered, trace_format

if TYPE_CHECKING:  # reading imports pandas, which takes longer to load than a small plan to make
    from workloads.trace_files import Recording


@dataclass(frozen=True, kw_only=True)
class Replay(ABC):
    """Recorded requests: all, the first few, or those in a time window.

    `over_length` selects the treatment of requests that are longer than a cache slot (`workloads.requests`). Requests
    stay as recorded until `fitted` sets `slot_tokens`, the limit. Jobs are the same in every draw and replication,
    except for the random numbers that some dispatch policies use.
    """

    deterministic: ClassVar[bool] = True

    first: int | None = None  # this many requests
    window_s: tuple[float, float] | None = None  # [start, end), counted from the first request of the file
    over_length: OverLength = "truncate"
    slot_tokens: int | None = None

    def __post_init__(self) -> None:
        require_treatment(self.over_length)
        for name, limit in (("first", TRACE_REQUESTS), ("slot_tokens", TOKENS)):
            if getattr(self, name) is not None:
                require_count(limit, **{name: getattr(self, name)})
        if self.window_s is not None:
            self._check_window(self.window_s)

    def _check_window(self, window_s: Sequence[float]) -> None:
        require(self.first is None, "first", self.first, "give either first or window_s, not both")
        is_pair = isinstance(window_s, Sequence) and len(window_s) == 2 and all(map(is_finite_number, window_s))
        ascending = is_pair and 0 <= window_s[0] < window_s[1]
        require(ascending, "window_s", window_s, "must be [start, end] with 0 <= start < end, in seconds")
        object.__setattr__(self, "window_s", tuple(window_s))

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the name of the trace in messages."""

    @abstractmethod
    def recording(self) -> "Recording":
        """Return at least the requests that `first` or `window_s` selects."""

    @cached_property
    def recorded(self) -> Requests:
        """Return the selected requests as recorded, the first one at time 0."""
        selected = self.recording().requests.select(self._rows)
        begin_s = selected.arrival_s[0]
        return replace(selected, arrival_s=selected.arrival_s - begin_s) if begin_s else selected

    @cached_property
    def unanswered_requests(self) -> int:
        """Return how many of the selected requests were unanswered."""
        first, end = np.searchsorted(self.recording().unanswered, (self._rows.start, self._rows.stop))
        return int(end - first)

    @property
    def _end_s(self) -> float:
        return inf if self.window_s is None else self.window_s[1]

    @cached_property
    def _rows(self) -> slice:
        """Return the rows that `first` or `window_s` selects."""
        requests = self.recording().requests
        count = len(requests)
        if self.window_s is not None:
            start, end = map(int, np.searchsorted(requests.arrival_s, self.window_s))
            word, nearest = ("next", start) if start < count else ("last", -1)
            remedy = f"no request of {self.name} lies in it; the {word} one comes at {requests.arrival_s[nearest]:g} s"
            require(start < end, "window_s", list(self.window_s), remedy)
            return slice(start, end)
        if self.first is not None:
            size = counted(count, "request")
            require(self.first <= count, "first", self.first, f"{self.name} has only {size}; use fewer")
        return slice(0, self.first or count)

    @cached_property
    def requests(self) -> Requests:
        """Return the requests to replay; over-long ones are treated once a slot is set."""
        return fitted(self.recorded, self.over_length, self.slot_tokens)

    @property
    def mean_job(self) -> tuple[float, float, float]:
        """Return (1, mean input tokens, mean output tokens - 1) of the replayed requests."""
        return self.requests.mean_job

    @property
    def prompt_cv(self) -> float:
        """Return the standard deviation of the input tokens over their mean."""
        return self.requests.prompt_cv

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

    def fitted(self, limit: int) -> Self:
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


@dataclass(frozen=True)
class TraceWorkload(Replay):
    """The requests of a public data set in the format of the Azure traces."""

    dataset: DataSet

    @property
    def name(self) -> str:
        """Return the name of the data set."""
        return self.dataset.name

    def recording(self) -> "Recording":
        """Return the requests of the data set, downloaded if necessary."""
        from workloads.trace_files import read_recording

        return read_recording(self.dataset.path(), trace_format("azure"), self.first, self._end_s)


@dataclass(frozen=True, kw_only=True)
class FileTrace(Replay):
    """The requests of a file of one's own.

    `format` is a name in `trace_formats.yaml`; `columns` and `time_unit` replace what it says. `sha256` is the checksum
    of the file when the experiment was composed, so that an edited file makes other points.
    """

    file: str
    sha256: str | None = None  # None: the file is not checked
    format: str = "plain"
    columns: Mapping[str, str | None] | None = None
    time_unit: str | None = None
    unanswered: Unanswered = "refuse"

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.layout
        self._check_file()

    def _check_file(self) -> None:
        require_file(self.file)
        changed = self.sha256 is not None and sha256_of(Path(self.file)) != self.sha256
        require(not changed, "file", self.file, "it changed after the command was started; start it again")

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return Path(self.file).name

    @property
    def layout(self) -> TraceFormat:
        """Return the columns and the unit of the file."""
        return trace_format(self.format, self.columns, self.time_unit, self.unanswered)

    def recording(self) -> "Recording":
        """Return the requests of the file."""
        from workloads.trace_files import read_recording

        return read_recording(Path(self.file), self.layout, self.first, self._end_s)
