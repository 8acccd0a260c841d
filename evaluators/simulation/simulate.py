"""Simulation as a function of plain arrays."""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algorithms.dispatch import Dispatch
from algorithms.dispatch.jffc import JFFC
from evaluators.simulation import engine
from system.checks import float_array, float_vector, require, whole_vector
from workloads.jobs import Jobs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JobTimes:
    """Times of each job in seconds, in order of arrival."""

    arrival_s: Floats
    waiting_s: Floats
    service_s: Floats
    first_token_s: Floats  # from arrival to the first output token
    output_token_s: Floats  # decoding time over the tokens after the first, for a size of 1

    @property
    def response_s(self) -> Floats:
        """Waiting and service time together."""
        return self.waiting_s + self.service_s

    def after_warm_up(self, share: float) -> Self:
        """Without the first `share` of the jobs."""
        require(0 <= share < 1, "warm_up", share, "is a share of the jobs, at least 0 and below 1")
        return self.from_job(int(self.arrival_s.size * share))

    def from_job(self, first: int) -> Self:
        """Without the jobs before number `first`."""
        return replace(self, **{entry.name: getattr(self, entry.name)[first:] for entry in fields(self)})


@dataclass(frozen=True)
class ChainJobTimes(JobTimes):
    """Times of jobs that were served by chains."""

    chain: NDArray[np.int64]  # the chain that served it


def simulate(
    jobs: Jobs,
    mean_service_s: ArrayLike,
    capacities: ArrayLike,
    dispatch: Dispatch = JFFC,
    coefficients_s: ArrayLike | None = None,
) -> ChainJobTimes:
    """Serve `jobs` on chains with `mean_service_s` (K,), ascending, and `capacities` (K,) under a dispatch policy.

    With `coefficients_s` (K, 3) a job's service time is `size * coefficients_s @ (1, input tokens, output tokens - 1)`,
    without them it is `size * mean_service_s`. Every job is served to its end, whether or not the chains are stable.
    Raises `InputError` if the policy answers with a chain that is not there or lets jobs wait for ever.
    """
    table = chain_table(mean_service_s, capacities, dispatch, coefficients_s)
    n = len(jobs)
    record = engine.Record(np.empty(n), np.empty(n), np.empty(n), np.empty(n, np.int64))
    arrivals = engine.Arrivals(jobs.arrival_s, jobs.size, jobs.lengths, jobs.uniform)
    state = engine.empty_state(table.capacity.size, n, min(int(table.capacity.sum()), n))
    served = engine.run(dispatch.policy, arrivals, table, record, state, False)
    check_served(served, n, table, dispatch)
    return job_times(jobs.arrival_s, record, table)


def chain_table(
    mean_service_s: ArrayLike, capacities: ArrayLike, dispatch: Dispatch, coefficients_s: ArrayLike | None
) -> engine.ChainTable:
    """The chains as the engine wants them; raises `InputError` if the arguments do not describe chains."""
    capacity = whole_vector("capacities", capacities, minimum=1)
    mean = float_vector("mean_service_s", mean_service_s, np.finfo(float).tiny)
    require(mean.size > 0, "mean_service_s", "[]", "give at least one chain")
    require(mean.size == capacity.size, "capacities", f"{capacity.size} entries", f"give {mean.size}, one a chain")
    require(bool(np.all(np.diff(mean) >= 0)), "mean_service_s", "not ascending", "give the chains fastest first")
    return engine.ChainTable(capacity, 1 / mean, _coefficients(mean, coefficients_s), dispatch.settings)


def job_times(arrival_s: Floats, record: engine.Record, table: engine.ChainTable) -> ChainJobTimes:
    """The engine's record as times of jobs."""
    output_token_s = table.coefficients_s[record.chain, 2]
    return ChainJobTimes(
        arrival_s, record.waiting_s, record.service_s, record.first_token_s, output_token_s, record.chain
    )


def check_served(served: int, come: int, table: engine.ChainTable, dispatch: Dispatch) -> None:
    """Raise `InputError` if the policy named a chain that is not there or left jobs waiting at the end."""
    name, count = dispatch.policy.__name__, table.capacity.size
    require(served >= 0, "dispatch", name, f"must answer with a chain below {count} or with -1")
    require(served == come, "dispatch", name, f"leaves {come - served} jobs waiting beside idle chains")


def _coefficients(mean_service_s: Floats, coefficients_s: ArrayLike | None) -> Floats:
    if coefficients_s is None:
        return np.ascontiguousarray(np.column_stack([mean_service_s, np.zeros((mean_service_s.size, 2))]))
    table = float_array("coefficients_s", coefficients_s)
    require(
        table.shape == (mean_service_s.size, 3),
        "coefficients_s",
        f"array of shape {table.shape}",
        f"must have shape ({mean_service_s.size}, 3)",
    )
    float_vector("coefficients_s", table.ravel())
    return table
