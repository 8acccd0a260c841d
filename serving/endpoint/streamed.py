"""A run of streamed requests: their records, their times, and how far the client lagged behind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from serving.endpoint.endpoint import StreamedJob
from system.response import JobTimes, Run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClientLag:
    """How late the client itself was.

    `sending_s` (n,) is the time from each job's arrival to its sending, NaN for jobs that were never sent. `waking_s`
    (ticks,) is how late the client's loop woke up, beyond the resolution of its timers.
    """

    sending_s: Floats = field(default_factory=lambda: np.empty(0))
    waking_s: Floats = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class StreamedRun(Run):
    """A run of streamed requests. The times of failed jobs are NaN."""

    records: Sequence[StreamedJob] = ()
    lag: ClientLag = field(default_factory=ClientLag)

    @property
    def served(self) -> NDArray[np.bool_]:
        """Return (n,) whether each job was served."""
        return np.array([record.served for record in self.records], np.bool_)

    def token_gaps_s(self, chosen: NDArray[np.bool_]) -> Floats:
        """Return the times between consecutive tokens of the chosen jobs."""
        records = compress(self.records, chosen)
        return np.concatenate([np.empty(0), *(np.diff(record.token_times_s) for record in records)])


def job_times(records: Sequence[StreamedJob]) -> JobTimes:
    """Return the times of jobs; those of jobs that were not served are NaN.

    A job waits from its arrival until it is sent. Whether it waits at the endpoint cannot be seen from outside.
    """
    columns = [(r.arrival_s, r.start_s, r.first_token_s, r.end_s, r.tokens - 1, r.served) for r in records]
    arrival_s, start_s, first_s, end_s, further, served = np.array(columns, np.float64).reshape(-1, 6).T
    start_s, first_s, end_s = (np.where(served, times_s, np.nan) for times_s in (start_s, first_s, end_s))
    output_token_s = (end_s - first_s) / np.where(further > 0, further, np.nan)
    return JobTimes(arrival_s, start_s - arrival_s, end_s - start_s, first_s - arrival_s, output_token_s)
