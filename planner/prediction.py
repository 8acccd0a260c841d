"""Predicted response times: exact where the theory gives them, else simulated with 99 % intervals."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from algorithms.routing.links import RoutedComposition
from evaluators.queueing import exact
from evaluators.simulation import ChainJobTimes, JobTimes, simulate, simulate_routed
from planner.results import Prediction
from system import Composition, Streams, UnstableError
from system.checks import require
from workloads.jobs import Jobs
from workloads.synthetic import is_poisson_exponential
from workloads.workload import Workload

Floats = NDArray[np.float64]

WARM_UP = 0.1  # share of the simulated jobs that is left out, as in `evaluators.simulation`
BATCHES = 20  # long enough batches matter more than many of them
CONFIDENCE = 0.99
NOTHING = np.empty(0)


def predict(
    composition: Composition, rate_per_s: float, quantiles: Sequence[float], workload: Workload, seed: int = 0
) -> Prediction:
    """Response times of a composition under JFFC at a rate, which need not be that of its system.

    Intervals of simulated values are those of `BATCHES` consecutive batches of the jobs, with Student's t; batches of a
    trace that is shorter than its bursts are not independent, and the intervals then are too narrow. Raises
    `UnstableError` unless the rate is below the total service rate.
    """
    if is_poisson_exponential(workload):
        return predict_exact(composition, rate_per_s, quantiles)
    times = simulated_times(composition, workload.jobs(rate_per_s, Streams(seed)), rate_per_s)
    return _simulated(composition, times, rate_per_s, quantiles)


def predict_routed(composition: RoutedComposition, jobs: Jobs, quantiles: Sequence[float]) -> Prediction:
    """Simulated response times of a scheme that routes each job over the servers; `UnstableError` if it is."""
    times = simulate_routed(composition, jobs).after_warm_up(WARM_UP)
    return _of_times(times, composition.system.arrival_rate_per_s, None, quantiles)


def simulated_times(composition: Composition, jobs: Jobs, rate_per_s: float) -> ChainJobTimes:
    """The jobs' times on the chains under JFFC, without the warm-up."""
    require_stable(composition, rate_per_s)
    mean_s, coefficients_s = composition.mean_service_s, composition.job_coefficients_s
    times = simulate(jobs, mean_s, composition.capacity, coefficients_s=coefficients_s)
    return times.after_warm_up(WARM_UP)


def require_stable(composition: Composition, rate_per_s: float) -> None:
    """Raise unless λ < ν (4)."""
    if rate_per_s >= composition.total_rate_per_s:
        raise UnstableError(
            f"rate_per_s = {rate_per_s:g}: these {len(composition)} chains carry less than "
            f"{composition.total_rate_per_s:.4g}/s; lower the rate or add servers"
        )


def predict_exact(composition: Composition, rate_per_s: float, quantiles: Sequence[float]) -> Prediction:
    """The exact steady state under Poisson arrivals and exponential sizes."""
    require_stable(composition, rate_per_s)
    solved = exact(rate_per_s, composition.service_rate_per_s, composition.capacity)
    first_token_s = composition.mean_first_token_s
    busy = rate_per_s * solved.chain_shares * composition.mean_service_s
    return Prediction(
        method="exact",
        rate_per_s=rate_per_s,
        total_rate_per_s=solved.total_rate_per_s,
        mean_s=solved.mean_response_s,
        mean_half_width_s=0.0,
        quantiles_s={q: solved.percentile_s(q) for q in quantiles},
        first_token_mean_s=solved.mean_first_token_s(first_token_s),
        first_token_quantiles_s={q: solved.first_token_percentile_s(q, first_token_s) for q in quantiles},
        waiting_probability=solved.waiting_probability,
        waiting_mean_s=solved.mean_waiting_s,
        chain_shares=solved.chain_shares,
        chain_utilisation=solved.utilisation,
        server_utilisation=server_utilisation(composition, busy),
        quantile_half_widths_s=dict.fromkeys(quantiles, 0.0),
    )


def _simulated(
    composition: Composition, times: ChainJobTimes, rate_per_s: float, quantiles: Sequence[float]
) -> Prediction:
    jobs, chains = times.chain.size, len(composition)
    shares = np.bincount(times.chain, minlength=chains) / jobs
    busy = rate_per_s * np.bincount(times.chain, times.service_s, minlength=chains) / jobs  # Little's law
    by_chain = (shares, busy / composition.capacity, server_utilisation(composition, busy))
    return _of_times(times, rate_per_s, composition.total_rate_per_s, quantiles, by_chain)


def _of_times(
    times: JobTimes,
    rate_per_s: float,
    total_rate_per_s: float | None,
    quantiles: Sequence[float],
    by_chain: tuple[Floats, Floats, Floats] = (NOTHING, NOTHING, NOTHING),
) -> Prediction:
    response_s, first_token_s = times.response_s, times.first_token_s
    require(response_s.size >= 2 * BATCHES, "requests", response_s.size, f"give at least {2 * BATCHES} to simulate")
    chain_shares, chain_utilisation, server_use = by_chain
    batches = np.array_split(response_s, BATCHES)
    in_batches = np.array([np.quantile(batch, quantiles) for batch in batches])
    return Prediction(
        method="simulated",
        rate_per_s=rate_per_s,
        total_rate_per_s=total_rate_per_s,
        mean_s=float(response_s.mean()),
        mean_half_width_s=half_width(np.array([batch.mean() for batch in batches])),
        quantiles_s=_quantiles(response_s, quantiles),
        first_token_mean_s=float(first_token_s.mean()),
        first_token_quantiles_s=_quantiles(first_token_s, quantiles),
        waiting_probability=float(np.mean(times.waiting_s > 0)),
        waiting_mean_s=float(times.waiting_s.mean()),
        chain_shares=chain_shares,
        chain_utilisation=chain_utilisation,
        server_utilisation=server_use,
        quantile_half_widths_s={q: half_width(in_batches[:, n]) for n, q in enumerate(quantiles)},
    )


def _quantiles(values_s: Floats, quantiles: Sequence[float]) -> dict[float, float]:
    return dict(zip(quantiles, np.quantile(values_s, quantiles).tolist(), strict=True))


def half_width(values: Floats) -> float:
    """Of the 99 % interval around the mean of independent values."""
    t = stdtrit(values.size - 1, (1 + CONFIDENCE) / 2)
    return float(t * values.std(ddof=1) / np.sqrt(values.size))


def server_utilisation(composition: Composition, busy: Floats) -> Floats:
    """(J,) mean share of each server's cache slots in use when chain k has `busy[k]` jobs; 0 without slots."""
    per_hop = composition.hop_blocks * np.repeat(busy, np.diff(composition.hop_start))
    slots = composition.placement.cache_slots(composition.system)
    used = np.bincount(composition.hop_server, per_hop, minlength=slots.size)
    return np.divide(used, slots, out=np.zeros(slots.size), where=slots > 0)
