"""The lengths of recorded requests with random arrivals, to tell what is due to lengths and what to bursts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from system.random_streams import RandomStreams
from workloads.arrivals import ArrivalProcess
from workloads.jobs import Jobs
from workloads.traces import TraceWorkload
from workloads.workload import rate_or_native


@dataclass(frozen=True, kw_only=True)
class TraceLengths(TraceWorkload):
    """The requests of a trace in their order, but with the gaps of an arrival process.

    Lengths are not drawn: every run has the recorded ones, in the recorded order. So a run differs from a replay in its
    arrival times alone, and the mean lengths are those of the trace. Gaps are drawn anew for each draw and replication.
    Without a given rate they have the recorded one. The rate is that of the requests which `drop` keeps.
    """

    deterministic: ClassVar[bool] = False

    arrivals: ArrivalProcess

    def jobs(self, rate_per_s: float | None, streams: RandomStreams) -> Jobs:
        """Return the requests as jobs of size 1, with drawn arrival times."""
        requests, count = self.requests, len(self.requests)
        gaps_s = self.arrivals.gaps_s(
            rate_or_native(rate_per_s, self.native_rate_per_s), count, streams.jobs("arrivals")
        )
        return Jobs(np.cumsum(gaps_s), np.ones(count), requests.lengths, streams.jobs("choices").random(count))
