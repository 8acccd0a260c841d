"""Engines of others as evaluators (`conf/evaluator`), with the layouts and jobs of the simulators."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluators.points.case import Draw, Measurement
from evaluators.points.measured.endpoint import lags, throughput, token_gaps
from evaluators.points.measured.reported import failed_jobs, reported_jobs, warn_of_failures
from evaluators.points.measured.served import check_lengths
from evaluators.points.metrics import Answer
from evaluators.points.simulated import JobReport
from evaluators.simulation.steps.simulate import check_whole_tokens
from serving.endpoint.client import RequestLimits
from serving.endpoint.load import random_requests, warn_of_lag
from serving.engines.dispatching import DispatchedRun, dispatch
from serving.engines.llamacpp import fleet
from serving.engines.llamacpp.settings import LOCKSTEP, LlamaCpp
from serving.installed import require_installed
from system.checks import require_boolean, require_share
from system.layout import Layout
from system.response import JobTimes
from workloads.jobs import Jobs


@dataclass(frozen=True, kw_only=True)
class LlamaCppEvaluator(LlamaCpp, RequestLimits, JobReport):
    """A real run of all jobs by llama.cpp: a llama-server for each chain, and RPC servers with its blocks.

    Requests wait here and not in the engine: the layout's rule decides who starts when, and on which chain. The jobs
    after the warm-up are reported; failed jobs are counted and have no times.

    - `reroute`: jobs of a lost chain begin again on another one; otherwise they fail.
    - `lag_share`: warns if the client lags by more than this share of the times that it measures.
    """

    options: tuple[str, ...] = LOCKSTEP
    reroute: bool = True
    lag_share: float = 0.1

    def __post_init__(self) -> None:
        LlamaCpp.__post_init__(self)
        RequestLimits.__post_init__(self)
        JobReport.__post_init__(self)
        require_boolean(reroute=self.reroute)
        require_share(lag_share=self.lag_share)

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Serve the jobs of one replication and report them.

        Raises `InputError` if a job is too long for a slot or if no job was served after the warm-up.
        """
        jobs, layout = draw.jobs(replication), draw.layout
        check_whole_tokens(jobs)
        check_lengths(jobs, draw.case.fitted_model.cache_tokens)
        require_installed("aiohttp", "engines")
        run = self._serve(layout, jobs, draw.streams(replication).jobs("prompts"))
        reported = reported_jobs(self, run, run.records, "llama.cpp")
        warn_of_failures(run.records, "llama.cpp")
        warn_of_lag(run, self.lag_share)
        first, chosen = reported
        times = run.times.of_jobs(chosen)
        return [
            *self.measurements(Answer(draw, times, jobs.of_jobs(chosen), run, reported.served_share)),
            *self.chosen_warm_up(first),
            *_faults(run, first),
            *_of_chains(times),
            *throughput(run, chosen),
            *token_gaps(run, chosen, self.quantiles),
            *lags(run),
        ]

    def _serve(self, layout: Layout, jobs: Jobs, rng: np.random.Generator) -> DispatchedRun:
        """Start the chains, serve the jobs, and end the chains."""
        lengths = np.broadcast_to(jobs.lengths, (len(jobs), 2))
        with fleet.start(layout, self) as chains:
            requests = list(random_requests(lengths, (0, chains.vocabulary_size), rng))
            return dispatch(layout, jobs, requests, chains.endpoints, self, lambda: _losses(chains), self.reroute)


def _losses(chains: fleet.Chains) -> dict[int, str]:
    """Return the reasons of the chains that can serve no more."""
    failures = {k: chains.failure(k) for k in range(len(chains.endpoints))}
    return {k: sentence for k, sentence in failures.items() if sentence is not None}


def _faults(run: DispatchedRun, first: int) -> Iterator[Measurement]:
    """Yield counts of failures and recoveries from job number `first` on."""
    records, attempts = run.records[first:], run.attempts[first:].tolist()
    yield failed_jobs(records)
    began_again = (record.served and n > 1 for record, n in zip(records, attempts, strict=True))
    yield Measurement("rerouted_jobs", sum(began_again))
    for k in range(run.times.chain_count):
        yield Measurement("lost_chain", k in run.lost, k + 1)


def _of_chains(times: JobTimes) -> Iterator[Measurement]:
    """Yield each chain's share of the jobs and their mean service time."""
    assert times.by_chain is not None
    for k, (share, service_s) in enumerate(zip(*times.by_chain, strict=True), start=1):
        yield Measurement("chain_share", float(share), k)
        if share > 0:
            yield Measurement("chain_service_mean_s", float(service_s), k)
