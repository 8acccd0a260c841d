"""What a benchmark is, and how it is measured."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tqdm import tqdm

Measure = Callable[[], float]  # one repetition, in the benchmark's unit


@dataclass(frozen=True)
class Peer:
    """Another way to do the same; `least_ratio` is the claim about how many times as good ours is."""

    name: str
    measure: Measure
    least_ratio: float | None = None


@dataclass(frozen=True)
class Benchmark:
    """`measure` gives s or GB (less is better), jobs/s or steps/s (more is better); `bound` is the claim about it."""

    name: str
    measures: str
    unit: str  # "s", "GB", "jobs/s" or "steps/s"
    measure: Measure
    bound: float | None = None
    peer: Peer | None = None

    @property
    def more_is_better(self) -> bool:
        return self.unit.endswith("/s")


@dataclass(frozen=True)
class Result:
    """Medians of a benchmark's repetitions; `peer_median` is None where there is no peer."""

    benchmark: Benchmark
    median: float
    peer_median: float | None

    @property
    def ratio(self) -> float | None:
        """How many times as good as the peer ours is."""
        if self.peer_median is None:
            return None
        better = self.median / self.peer_median
        return better if self.benchmark.more_is_better else 1 / better

    @property
    def is_met(self) -> bool | None:
        """Whether every claim holds; None if there is none."""
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
    """Medians of all benchmarks, with a bar on stderr."""
    results = []
    with tqdm(benchmarks, unit="benchmark", dynamic_ncols=True) as bar:
        for benchmark in bar:
            bar.set_postfix_str(benchmark.name)
            results.append(_result(benchmark, repetitions))
    return results


def _result(benchmark: Benchmark, repetitions: int) -> Result:
    """Ours once unmeasured, so that all is compiled and loaded; then ours and the peer's by turns."""
    ours, peers = [], []
    benchmark.measure()
    for _ in range(repetitions):
        ours.append(benchmark.measure())
        if benchmark.peer:
            peers.append(benchmark.peer.measure())
    return Result(benchmark, statistics.median(ours), statistics.median(peers) if peers else None)
