"""Requests that share the computation of their servers, simulated step by step.

Under equation (2) a server computes for any number of requests at once and slows none of them, so a plan by equation
(2) alone promises rates that no GPU computes. Here a server computes one batch at a time, as the engine does:

- llama.cpp: all requests of a chain advance together (`lockstep`);
- vLLM: batches of at most 2,048 tokens at each server (`token_budget`);
- `any`: prompts one by one, and all one-token steps that wait as one stack (`steps_decode`), as GPUs batch decoding;
- PETALS: every step by itself (`steps`), as its servers batch no requests of different clients.

`batches` has the time of a stack.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluators.simulation import simulate_layout
from evaluators.simulation.full_queue import all_at_once, leaving_rate_per_s
from planner.choice.prediction import loaded, predict
from planner.choice.sharing.batches import as_run, with_curves
from planner.choice.sharing.even_lengths import EvenLengths
from planner.choice.sharing.services import shared_service
from planner.inventory.engines import Engine
from planner.inventory.inventory import Inventory
from planner.results import Prediction
from system import Composition, RandomStreams, UnstableError
from system.intervals import BATCHES, half_width_of
from system.layout import Layout
from system.response import WARM_UP, JobTimes
from system.service.batch_curve import curves_of, ratio_at
from system.service.model import ServiceModel
from workloads.synthetic import SyntheticWorkload
from workloads.workload import Workload

Floats = NDArray[np.float64]

JOBS = 3_000  # of a simulation, or fewer or more:
VISITS = 2_500_000  # of servers by steps, at most
REFILLS = 3  # jobs for each slot, at least
LEAST_JOBS = 1_000
RAREST = 1 / 1024  # share of the largest rate in question, below which none is looked for
CLOSE = 0.03  # of a bisection, relatively
CONFIDENCE = 0.99


@dataclass(frozen=True)
class SharedComputation:
    """Simulations of layouts whose servers compute one batch at a time."""

    engine: Engine
    service: ServiceModel
    workload: Workload
    seed: int = 0

    def saturation_rate_per_s(self, composition: Composition) -> float:
        """Return the rate at which requests leave while others always wait."""
        jobs = self._workload(composition).jobs(1.0, RandomStreams(self.seed))
        run = simulate_layout(loaded(as_run(composition, self.engine), 1.0), all_at_once(jobs), self.service)
        return leaving_rate_per_s(run.times, WARM_UP)

    def times(self, layout: Layout, size: Composition) -> JobTimes:
        """Return the times of a layout at its own rate.

        The number of jobs suits the composition `size`. Raises `UnstableError` if jobs leave too slowly.
        """
        jobs = self._workload(size).jobs(layout.system.arrival_rate_per_s, RandomStreams(self.seed))
        run = simulate_layout(as_run(layout, self.engine), jobs, self.service, stop_unstable=True)
        return run.times.after_warm_up()

    def prediction(self, composition: Composition, quantiles: Sequence[float]) -> Prediction:
        """Return the predicted times at the composition's own rate; raise as `times` does."""
        chains, workload = as_run(composition, self.engine), self._workload(composition)
        return predict(chains, workload, quantiles, self.service, self.seed)

    def rate_in_time_per_s(
        self, composition: Composition, quantile: float, slo_s: float, to_beat_per_s: float, most_per_s: float
    ) -> float | None:
        """Return the largest rate at which a quantile keeps to the SLO.

        It is at most `most_per_s`. Return None if it is not above the rate to beat, or if even rare requests do not
        keep to the SLO.
        """

        def keeps(rate_per_s: float) -> bool:
            with suppress(UnstableError):
                times = self.times(loaded(composition, rate_per_s), composition)
                return times.quantile_s("response", quantile) <= slo_s
            return False

        if keeps(most_per_s):
            return most_per_s
        least_per_s = max(to_beat_per_s, RAREST * most_per_s)
        low, high = max(least_per_s, most_per_s / 2), most_per_s
        while not keeps(low):
            if low == least_per_s:
                return None
            low, high = max(least_per_s, low / 2), low
        while high > low * (1 + CLOSE):
            middle = (low + high) / 2
            low, high = (middle, high) if keeps(middle) else (low, middle)
        return low

    def _workload(self, composition: Composition) -> Workload:
        """Return the requests with a number that suits the chains."""
        if not isinstance(self.workload, EvenLengths):
            return self.workload
        hops = float(np.average(np.diff(composition.hop_start), weights=composition.capacity))
        most = int(VISITS / (hops * self.workload.output_tokens))
        return replace(self.workload, job_count=max(min(JOBS, most), REFILLS * composition.total_capacity, LEAST_JOBS))


def never_meet(composition: Composition) -> bool:
    """Return whether no server ever has two requests, so that equation (2) is exact."""
    return bool((composition.capacity == 1).all()) and not composition.shared_servers


def shared_computation(inventory: Inventory, seed: int = 0) -> SharedComputation | None:
    """Return the simulations for an inventory's engine.

    Return None where the plan's own service model shares servers already, and where nothing is known of batches, as the
    times of servers do not depend on tokens.
    """
    if not inventory.service.is_independent or (inventory.servers.block_s[:, 2] <= 0).any():
        return None
    workload = inventory.workload
    if isinstance(workload, SyntheticWorkload):
        workload = EvenLengths(workload.arrivals, JOBS, workload.input_tokens, workload.output_tokens)
    return SharedComputation(inventory.engine, shared_service(inventory).model, workload, seed)


def work_rate_per_s(composition: Composition) -> float:
    """Estimate the rate of full chains whose servers share their computation.

    The jobs of a chain are spread over its servers by the times that these take for a job alone, and a server stacks
    the one-token steps of its share. A chain is slowed down to what its busiest server can do.
    """
    chains = with_curves(composition)
    servers, (_, input_tokens, further_tokens) = chains.system.servers, chains.system.mean_job
    hops = np.diff(chains.hop_start)
    alone_s = (chains.hop_charged[:, None] * servers.block_s[chains.hop_server]) @ np.asarray(chains.system.mean_job)
    hop_jobs = np.repeat(chains.capacity / chains.mean_service_s, hops) * alone_s
    jobs = np.maximum(np.bincount(chains.hop_server, hop_jobs, minlength=len(servers)), 1.0)
    curves = curves_of("measured", servers)
    stacked = np.array([ratio_at(round(n), curve) / round(n) for n, curve in zip(jobs, curves, strict=True)])
    once_s, input_token_s, output_token_s = servers.block_s.T
    per_block_s = once_s + input_token_s * input_tokens + output_token_s * further_tokens * stacked
    alone_per_s = chains.capacity / chains.mean_service_s
    hop_load = np.repeat(alone_per_s, np.diff(chains.hop_start)) * chains.hop_charged * per_block_s[chains.hop_server]
    load = np.bincount(chains.hop_server, hop_load, minlength=len(servers))
    busiest = np.maximum.reduceat(load[chains.hop_server], chains.hop_start[:-1])
    return float((alone_per_s / np.maximum(busiest, 1.0)).sum())


def paired_difference_s(ours: JobTimes, other: JobTimes, quantile: float | None) -> tuple[float, float]:
    """Return how much longer our response time is, with its half-width.

    The interval has 99 %. Both are times of the same jobs; the interval comes from batches of consecutive jobs.
    """
    pairs = zip(np.array_split(ours.response_s, BATCHES), np.array_split(other.response_s, BATCHES), strict=True)
    differences = [_value_s(a, quantile) - _value_s(b, quantile) for a, b in pairs]
    return _value_s(ours.response_s, quantile) - _value_s(other.response_s, quantile), half_width_of(
        differences, CONFIDENCE
    )


def _value_s(response_s: Floats, quantile: float | None) -> float:
    return float(response_s.mean() if quantile is None else np.quantile(response_s, quantile))
