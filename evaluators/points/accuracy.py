"""How close the theory of requests that slow each other comes to the simulator of their steps, on any layout."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from evaluators.points.case import Draw, Measurement
from evaluators.points.interference import shares_of_time
from evaluators.queueing.interference import SlowedChains, require_poisson, slowed_chains
from evaluators.queueing.interference_response import InterferenceResponse
from evaluators.simulation.full_queue import all_at_once, leaving_rate_per_s
from evaluators.simulation.layout import simulate_layout
from system import UnstableError
from system.checks import require_share
from system.response import WARM_UP, JobTimes, Time
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel

COMPARED: tuple[Time, ...] = ("response", "service", "first_token")


@dataclass(frozen=True, kw_only=True)
class AccuracyEvaluator:
    """Mean times of theory and simulation at `loads`, shares of the largest stable rate ν' that theory gives.

    The arrival rate of the demand has no effect. Theory and simulation are of the same layout and workload. A load at
    which the simulation is unstable has `is_unstable` = 1 and no simulated times.
    """

    simulates: ClassVar[bool] = True

    loads: Sequence[float] = field(default_factory=lambda: (0.2, 0.4, 0.6, 0.75, 0.85, 0.95))
    service: ServiceModel = INDEPENDENT

    def __post_init__(self) -> None:
        for load in self.loads:
            require_share(loads=load)

    @property
    def varies_with(self) -> Literal["replication"]:
        """Return `replication`: every replication has its own jobs."""
        return "replication"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Compare one draw at all loads.

        Raises `NotApplicableError` as `slowed_chains` does, and unless arrivals are Poisson.
        """
        require_poisson("accuracy", draw.case.workload)
        queues = slowed_chains(draw.layout, draw.case.fitted_workload, self.service)
        return [
            *self._saturation(draw, replication, queues),
            *(row for load in self.loads for row in self._at_load(draw, replication, load, queues)),
        ]

    def _saturation(self, draw: Draw, replication: int, queues: SlowedChains) -> list[Measurement]:
        """Return the largest rates by theory and simulation, and sizes of the layout."""
        chains, jobs = draw.layout.composition(), all_at_once(draw.jobs(replication))
        run = simulate_layout(chains, jobs, self.service)
        return [
            Measurement("saturation_theory_per_s", queues.largest_rate_per_s),
            Measurement("saturation_rate_per_s", leaving_rate_per_s(run.times, WARM_UP)),
            Measurement("slot_count", chains.total_capacity),
            Measurement("hosting_server_count", (chains.placement.block_count > 0).sum()),
        ]

    def _at_load(self, draw: Draw, replication: int, load: float, queues: SlowedChains) -> Iterator[Measurement]:
        """Yield the mean times at one load."""
        rate_per_s = load * queues.largest_rate_per_s
        layout, theory = draw.layout.at_rate(rate_per_s), queues.at_rate(rate_per_s)
        computation, prompts = shares_of_time(layout.composition(), theory.chain_shares)
        yield Measurement("computation_share", computation, load)
        yield Measurement("prompt_share", prompts, load)
        yield from _theory(theory, load)
        try:
            jobs = draw.case.fitted_workload.jobs(rate_per_s, draw.streams(replication))
            run = simulate_layout(layout, jobs, self.service, stop_unstable=True)
        except UnstableError:
            yield Measurement("is_unstable", 1, load)
            return
        yield from _simulated(run.times.after_warm_up(), load)


def _theory(theory: InterferenceResponse, load: float) -> Iterator[Measurement]:
    for time in COMPARED:
        yield Measurement(f"{time}_theory_s", getattr(theory, f"mean_{time}_s"), load)


def _simulated(times: JobTimes, load: float) -> Iterator[Measurement]:
    for time in COMPARED:
        yield Measurement(f"{time}_simulated_s", times.mean_s(time), load)
    yield Measurement("response_simulated_half_width_s", times.half_width_s("response"), load)
