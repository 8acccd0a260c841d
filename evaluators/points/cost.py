"""What each stage of the work costs: its CPU seconds and its peak memory (`experiment=scale`).

These are measurements of the machine and differ from run to run. The CPU time of a thread is disturbed by other
processes far less than wall time is; that of the whole process would count the threads of BLAS, which spin while idle.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from evaluators.points.case import Draw, Measurement
from evaluators.points.memory import counted_gb, reset_peak
from evaluators.points.theory import exact_mean_s, markov_means, theorem4_bounds
from evaluators.simulation import simulate_layout
from system.checks import require_count, require_one_of, require_positive


def _simulate(draw: Draw) -> object:
    """The jobs drawn and served to their end, whether or not that is stable."""
    return simulate_layout(draw.layout, draw.jobs(0))


# What builds on a composition finds it made.
STAGES: dict[str, Callable[[Draw], object]] = {
    "compose": Draw.compose,
    "theorem4": lambda draw: theorem4_bounds(draw, 0),
    "exact": lambda draw: exact_mean_s(draw.layout),
    "markov": lambda draw: markov_means(draw, 0),
    "simulate": _simulate,
}
_LOADED: set[tuple[str, str]] = set()  # stages and schemes that this process has called


@dataclass(frozen=True)
class CostEvaluator:
    """One of `STAGES`: the median CPU time of its calls, the peak memory of one (where Linux tells), and its sizes.

    The calls are at most `repetitions`, and no further one begins once they have taken `enough_s` together. In each
    process the first of a stage and scheme does not count, as code is loaded or even compiled in it.
    """

    stage: str
    repetitions: int = 9
    enough_s: float = 0.2

    def __post_init__(self) -> None:
        require_one_of(tuple(STAGES), stage=self.stage)
        require_count(repetitions=self.repetitions)
        require_positive(enough_s=self.enough_s)

    @property
    def varies_with(self) -> Literal["nothing"]:
        return "nothing"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        sizes, work = self._sizes(draw), partial(STAGES[self.stage], draw)
        self._load_code(draw, work)
        held_gb = reset_peak()
        calls_s = [cpu_s(work)]
        peak = [] if held_gb is None else [Measurement("peak_memory_gb", max(counted_gb("VmHWM") - held_gb, 0.0))]
        while len(calls_s) < self.repetitions and sum(calls_s) < self.enough_s:
            calls_s.append(cpu_s(work))
        return [Measurement("cpu_s", statistics.median(calls_s)), *peak, *sizes]

    def _sizes(self, draw: Draw) -> list[Measurement]:
        """What explains the cost; looked at first, as a composition works some of it out when asked."""
        sizes: dict[str, float] = {"arrival_rate_per_s": draw.system.arrival_rate_per_s}
        if self.stage == "simulate":
            sizes["job_count"] = len(draw.jobs(0))
        return [Measurement(name, value) for name, value in {**sizes, **draw.layout.sizes}.items()]

    def _load_code(self, draw: Draw, work: Callable[[], object]) -> None:
        """The first call in this process; to compose was needed to get here."""
        key = self.stage, repr(draw.case.algorithm)
        if self.stage != "compose" and key not in _LOADED:
            work()
            _LOADED.add(key)


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of one call in this thread."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin
