"""The cost of each stage of the work: CPU seconds and peak memory (`experiment=scale`).

These are measurements of the machine and differ from run to run. Other processes disturb the CPU time of a thread far
less than its wall time. The CPU time of the whole process would include the threads of BLAS, which spin while idle.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from evaluators.points.case import Draw, Measurement
from evaluators.points.memory import peak_memory_gb
from evaluators.points.theory import exact_mean_s, markov_means, theorem4_bounds
from evaluators.simulation import simulate_layout
from system.checks import require_count, require_one_of, require_positive
from system.limits import REPLICATIONS


def _simulate(draw: Draw) -> object:
    """Draw jobs and serve all of them, whether or not the run is stable."""
    return simulate_layout(draw.layout, draw.jobs(0))


# The layout is composed before a later stage is timed, so its cost counts only in `compose`.
STAGES: dict[str, Callable[[Draw], object]] = {
    "compose": Draw.compose,
    "theorem4": lambda draw: theorem4_bounds(draw, 0),
    "exact": lambda draw: exact_mean_s(draw.layout),
    "markov": lambda draw: markov_means(draw, 0),
    "simulate": _simulate,
}
MEMORY_CALLS = 3  # memory is counted in so many calls; giving it back first makes the next call a little slower
_LOADED: set[tuple[str, str]] = set()  # pairs of stage and scheme that this process has already called


@dataclass(frozen=True)
class CostEvaluator:
    """Cost of one of `STAGES`: the median CPU time, the peak memory and the sizes that explain them.

    The peak memory is the median of the first calls; it is known on Linux only. The stage is called at most
    `repetitions` times, and no further call begins once the calls have taken `enough_s` together. The first call of a
    stage and a scheme in a process does not count, because it loads or even compiles code.
    """

    stage: str
    repetitions: int = 9
    enough_s: float = 0.2

    def __post_init__(self) -> None:
        require_one_of(tuple(STAGES), stage=self.stage)
        require_count(REPLICATIONS, repetitions=self.repetitions)
        require_positive(enough_s=self.enough_s)

    @property
    def varies_with(self) -> Literal["nothing"]:
        """Return `nothing`: the cost is measured once a case."""
        return "nothing"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Measure the stage on one draw."""
        sizes, work = self._sizes(draw), partial(STAGES[self.stage], draw)
        self._load_code(draw, work)
        calls_s, peaks_gb = self._calls(work)
        counted_gb = [peak for peak in peaks_gb if peak is not None]
        peak = [Measurement("peak_memory_gb", statistics.median(counted_gb))] if counted_gb else []
        return [Measurement("cpu_s", statistics.median(calls_s)), *peak, *sizes]

    def _calls(self, work: Callable[[], object]) -> tuple[list[float], list[float | None]]:
        """Return the CPU seconds of all calls, and first peaks of memory."""
        calls_s: list[float] = []
        peaks_gb: list[float | None] = []

        def call() -> None:
            calls_s.append(cpu_s(work))

        while not calls_s or (len(calls_s) < self.repetitions and sum(calls_s) < self.enough_s):
            if len(peaks_gb) < MEMORY_CALLS:
                peaks_gb.append(peak_memory_gb(call))
            else:
                call()
        return calls_s, peaks_gb

    def _sizes(self, draw: Draw) -> list[Measurement]:
        """Return the sizes that explain the cost.

        They come before the timing, because a composition computes some of them only when they are needed.
        """
        sizes: dict[str, float] = {"arrival_rate_per_s": draw.system.arrival_rate_per_s}
        if self.stage == "simulate":
            sizes["job_count"] = len(draw.jobs(0))
        return [Measurement(name, value) for name, value in {**sizes, **draw.layout.sizes}.items()]

    def _load_code(self, draw: Draw, work: Callable[[], object]) -> None:
        """Make the first call in this process, except for `compose`.

        A layout was already composed for the sizes.
        """
        key = self.stage, repr(draw.case.algorithm)
        if self.stage != "compose" and key not in _LOADED:
            work()
            _LOADED.add(key)


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call in this thread."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin
