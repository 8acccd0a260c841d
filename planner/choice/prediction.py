"""Predicted response times of layouts.

They are exact where the theory holds and otherwise simulated, with 99 % intervals.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from algorithms.dispatch.jffc import JFFC
from evaluators.queueing.interference import known_largest_rate_per_s
from evaluators.queueing.steady_state import steady_state, theory_holds
from evaluators.simulation import simulate_layout
from planner.results import Prediction
from system import Composition, RandomStreams
from system.layout import Layout
from system.response import ByChain, ResponseTimes
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel
from workloads.synthetic import is_poisson_exponential
from workloads.workload import Workload

Floats = NDArray[np.float64]

CONFIDENCE = 0.99
NO_CHAINS = np.empty(0)


def predict(
    layout: Layout,
    workload: Workload,
    quantiles: Sequence[float],
    service: ServiceModel = INDEPENDENT,
    seed: int = 0,
) -> Prediction:
    """Predict the response times of a layout at its own rate.

    The intervals of simulated values come from consecutive batches of jobs. If a trace is shorter than its bursts, its
    batches are not independent, and the intervals are too narrow. Raises as `response_times` does.
    """
    times, rate_per_s = response_times(layout, workload, service, seed), layout.system.arrival_rate_per_s
    shares, utilisation, server_use = _use(layout, times.by_chain)
    return Prediction(
        method="exact" if is_exact(layout, workload, service) else "simulated",
        rate_per_s=rate_per_s,
        total_rate_per_s=None if np.isnan(layout.load) else rate_per_s / layout.load,
        mean_s=times.mean_s("response"),
        mean_half_width_s=times.half_width_s("response", confidence=CONFIDENCE),
        quantiles_s={q: times.quantile_s("response", q) for q in quantiles},
        first_token_mean_s=times.mean_s("first_token"),
        first_token_quantiles_s={q: times.quantile_s("first_token", q) for q in quantiles},
        waiting_probability=times.share_above("waiting", 0.0),
        waiting_mean_s=times.mean_s("waiting"),
        chain_shares=shares,
        chain_utilisation=utilisation,
        server_utilisation=server_use,
        saturation_rate_per_s=saturation_rate_per_s(layout, workload, service),
        quantile_half_widths_s={q: times.half_width_s("response", q, CONFIDENCE) for q in quantiles},
    )


def saturation_rate_per_s(layout: Layout, workload: Workload, service: ServiceModel) -> float | None:
    """Return ν', about the largest stable rate where requests slow each other.

    None if no theory knows it, and under equation (2), where no request slows another.
    """
    return None if service == INDEPENDENT else known_largest_rate_per_s(layout, workload, service)


def loaded(composition: Composition, rate_per_s: float) -> Composition:
    """Return the same chains under JFFC at another arrival rate."""
    return composition.at_rate(rate_per_s).under(JFFC)


def response_times(
    layout: Layout, workload: Workload, service: ServiceModel = INDEPENDENT, seed: int = 0
) -> ResponseTimes:
    """Return the response times of a layout at its own rate.

    Simulated times leave out the warm-up.

    Raises `UnstableError` if the layout does not carry the rate, and `NotApplicableError` for jobs that the service
    model does not know.
    """
    if is_exact(layout, workload, service):
        return steady_state(layout)
    streams = RandomStreams(seed)
    jobs, rng = workload.jobs(layout.system.arrival_rate_per_s, streams), streams.jobs("slowdowns")
    return simulate_layout(layout, jobs, service, rng, stop_unstable=True).times.after_warm_up()


def response_s(times: ResponseTimes, quantile: float | None) -> float:
    """Return a quantile of the response time, or its mean."""
    return times.mean_s("response") if quantile is None else times.quantile_s("response", quantile)


def is_exact(layout: Layout, workload: Workload, service: ServiceModel) -> bool:
    """Return whether the theory gives the response times of a layout.

    Besides `theory_applies`, the layout must have chains under JFFC.
    """
    return theory_holds(layout, workload) and service == INDEPENDENT


def theory_applies(workload: Workload, service: ServiceModel) -> bool:
    """Return whether arrivals are Poisson, sizes exponential, and no job slows another."""
    return is_poisson_exponential(workload) and service == INDEPENDENT


def _use(layout: Layout, by_chain: ByChain | None) -> tuple[Floats, Floats, Floats]:
    """Return how much chains and servers are used; empty arrays for routes.

    The arrays are the (K,) shares of the jobs, the (K,) mean shares of the capacities in use and the (J,) mean shares
    of the cache slots in use.
    """
    if by_chain is None:
        return NO_CHAINS, NO_CHAINS, NO_CHAINS
    chains, busy = layout.composition(), by_chain.busy(layout.system.arrival_rate_per_s)
    return by_chain.share, busy / chains.capacity, _server_utilisation(chains, busy)


def _server_utilisation(chains: Composition, busy: Floats) -> Floats:
    """Return (J,) mean shares of the cache slots in use.

    Chain k has `busy[k]` jobs. The share is 0 for servers without slots.
    """
    per_hop = chains.hop_blocks * np.repeat(busy, np.diff(chains.hop_start))
    slots = chains.placement.cache_slots(chains.system)
    used = np.bincount(chains.hop_server, per_hop, minlength=slots.size)
    return np.divide(used, slots, out=np.zeros(slots.size), where=slots > 0)
