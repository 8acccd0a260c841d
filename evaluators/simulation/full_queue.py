"""Runs in which jobs always wait, and the rate at which they leave."""

from dataclasses import replace

import numpy as np

from system.errors import InputError
from system.response import JobTimes
from workloads.jobs import Jobs


def all_at_once(jobs: Jobs) -> Jobs:
    """Return the same jobs, all arriving at time 0."""
    return replace(jobs, arrival_s=np.zeros(len(jobs)))


def leaving_rate_per_s(times: JobTimes, warm_up: float) -> float:
    """Return the rate of departures between the warm-up and the last start.

    All jobs arrive at time 0, and the share `warm_up` of them leaves during the warm-up. Raises `InputError` if the
    last job starts before its end.
    """
    end_s = np.sort(times.response_s)
    first, last_start_s = int(end_s.size * warm_up), times.waiting_s.max(initial=0.0)
    begin_s = end_s[first] if end_s.size else 0.0
    if last_start_s <= begin_s:
        raise InputError(f"job_count = {end_s.size}: too few jobs to keep the queue full; give more")
    departures = int(np.searchsorted(end_s, last_start_s, side="right")) - first - 1
    return float(departures / (last_start_s - begin_s))
