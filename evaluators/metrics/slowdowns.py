"""Slowdown, and fairness between short and long requests.

The slowdown of a request is its response time over its own work (Harchol-Balter, Performance Modeling and Design of
Computer Systems, 2013). On servers of unequal speed, this work is here the time that the request would take alone: the
least service time (2) on any chain or path of the layout. If requests may take next to no time alone, as those of
exponential size, the slowdown of requests that wait has no mean.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluators.points.case import Measurement
from evaluators.points.metrics import Answer
from system.checks import require, require_count, require_share
from system.layout import Layout
from workloads.jobs import Jobs

Floats = NDArray[np.float64]


def slowdown(answer: Answer, quantiles: Sequence[float]) -> Iterator[Measurement]:
    """Yield the mean slowdown, if it exists, and quantiles of the slowdown.

    The mean exists if all jobs have size 1, so that their times come from whole requests.
    """
    times, jobs = answer.by_job()
    slowdowns = times.response_s / alone_s(answer.layout, jobs)
    if (jobs.size == 1).all():
        yield Measurement("slowdown_mean", float(slowdowns.mean()))
    for q in quantiles:
        require_share(quantiles=q)
        yield Measurement("slowdown_quantile", float(np.quantile(slowdowns, q)), q)


def fairness(answer: Answer, groups: int) -> Iterator[Measurement]:
    """Yield response times and slowdowns of short to long jobs, and Jain's index.

    The jobs are ranked by their times alone and divided into `groups` of equal numbers, 10 for deciles. The response
    time of a group is its mean. Its slowdown is this mean over its mean time alone, which exists for every workload.
    """
    require_count(groups=groups)
    times, jobs = answer.by_job()
    require(len(jobs) >= groups, "groups", groups, f"give at most {len(jobs)}, the number of jobs")
    time_s = alone_s(answer.layout, jobs)
    members = np.array_split(np.argsort(time_s, kind="stable"), groups)
    response_s = np.array([times.response_s[group].mean() for group in members])
    slowdowns = response_s / [time_s[group].mean() for group in members]
    for rank in range(groups):
        yield Measurement("response_by_rank_s", float(response_s[rank]), (rank + 1) / groups)
        yield Measurement("slowdown_by_rank", float(slowdowns[rank]), (rank + 1) / groups)
    yield Measurement("slowdown_fairness", jain_index(slowdowns))


def alone_s(layout: Layout, jobs: Jobs) -> Floats:
    """Return (n,) each job's least service time (2) on any chain or path."""
    x = np.column_stack([np.ones(len(jobs.lengths)), jobs.lengths])
    return jobs.size * layout.least_service_s(x)


def jain_index(values: Floats) -> float:
    """Return Jain's index of n values.

    It is 1 if they are equal, and 1/n if all but one are 0.
    """
    return float(values.sum() ** 2 / (values.size * (values**2).sum()))
