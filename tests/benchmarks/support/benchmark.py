"""Benchmarks, their peers, and how they are measured."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tqdm import tqdm

Measure = Callable[[], float]  # the result of one repetition, in the unit of the benchmark


@dataclass(frozen=True)
class Peer:
    """Another way to compute the same.

    `least_ratio` is the claim: our benchmark is at least so many times as good as the peer.
    """

    name: str
    measure: Measure
    least_ratio: float | None = None


@dataclass(frozen=True)
class Benchmark:
    """A quantity that is measured, with a claim about it if there is one.

    `measure` returns s or GB, where less is better, or jobs/s or steps/s, where more is better. `bound` is the claim
    about its median.
    """

    name: str
    measures: str
    unit: str  # "s", "GB", "jobs/s" or "steps/s"
    measure: Measure
    bound: float | None = None
    peer: Peer | None = None

    @property
    def more_is_better(self) -> bool:
        """Return whether a larger value is better."""
        return self.unit.endswith("/s")


@dataclass(frozen=True)
class Result:
    """The medians of a benchmark's repetitions; `peer_median` is None without a peer."""

    benchmark: Benchmark
    median: float
    peer_median: float | None

    @property
    def ratio(self) -> float | None:
        """Return our median relative to the peer's; more is better."""
        if self.peer_median is None:
            return None
        better = self.median / self.peer_median
        return better if self.benchmark.more_is_better else 1 / better

    @property
    def is_met(self) -> bool | None:
        """Return whether every claim holds, or None without a claim."""
        return all(claims) if (claims := self._claims()) else None

    def _claims(self) -> list[bool]:
        benchmark, claims = self.benchmark, []
        if benchmark.bound is not None:
            within = self.median >= benchmark.bound if benchmark.more_is_better else self.median <= benchmark.bound
            claims.append(within)
        if benchmark.peer and benchmark.peer.least_ratio is not None and self.ratio is not None:
            claims.append(self.ratio >= benchmark.peer.least_ratio)
        return claims


def measure_all(benchmarks: Sequence[Benchmark], repetitions: int) -> list[Result]:
    """Measure all benchmarks, with a progress bar on stderr."""
    results = []
    with tqdm(benchmarks, unit="benchmark", dynamic_ncols=True) as bar:
        for benchmark in bar:
            bar.set_postfix_str(benchmark.name)
            results.append(_result(benchmark, repetitions))
    return results


def _result(benchmark: Benchmark, repetitions: int) -> Result:
    """Measure a benchmark and its peer in turns.

    The first measurement of ours does not count, because functions may be compiled and loaded in it.
    """
    ours, peers = [], []
    benchmark.measure()
    for _ in range(repetitions):
        ours.append(benchmark.measure())
        if benchmark.peer:
            peers.append(benchmark.peer.measure())
    return Result(benchmark, statistics.median(ours), statistics.median(peers) if peers else None)
