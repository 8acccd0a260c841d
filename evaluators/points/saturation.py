"""The rate that a layout sustains under a service model, as an evaluator beside the total rate of equation (4)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from evaluators.points.case import Draw, Measurement
from evaluators.points.simulated import utilisations
from evaluators.simulation.full_queue import all_at_once, leaving_rate_per_s
from evaluators.simulation.layout import simulate_layout
from system import NotApplicableError
from system.checks import require_share
from system.random_streams import is_deterministic
from system.response import WARM_UP
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel


@dataclass(frozen=True, kw_only=True)
class SaturationEvaluator:
    """The rate at which jobs leave while jobs always wait, and the use of the servers meanwhile.

    All jobs are there at time 0, so the arrival rate has no effect. No larger arrival rate has a steady state if jobs
    leave no faster with fewer of them in service. The first share `warm_up` of the departures is left out, as are all
    departures after the last start.
    """

    simulates: ClassVar[bool] = True

    warm_up: float = WARM_UP
    service: ServiceModel = INDEPENDENT

    def __post_init__(self) -> None:
        require_share(warm_up=self.warm_up)

    @property
    def deterministic(self) -> bool:
        """Return whether the rate follows from the layout and the jobs alone."""
        return is_deterministic(self.service)

    @property
    def varies_with(self) -> Literal["replication"]:
        """Return `replication`: every replication has its own jobs."""
        return "replication"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Serve the jobs of one replication, all there at time 0.

        The total rate (4) is included if the layout has one. Raises `NotApplicableError` if chains have queues of their
        own, as some would run empty before others.
        """
        jobs, layout = all_at_once(draw.jobs(replication)), draw.layout
        run = simulate_layout(layout, jobs, self.service, draw.streams(replication).jobs("slowdowns"))
        if run.times.chain.size and np.any(np.diff(run.times.waiting_s) < 0):
            raise NotApplicableError(
                "evaluator = saturation: jobs wait in queues of single chains, which do not run empty together; use a "
                "policy with one queue, such as dispatch=jffc"
            )
        rate_per_s = leaving_rate_per_s(run.times, self.warm_up)
        output_tokens = float(draw.system.mean_job[2]) + 1
        measurements = [
            Measurement("saturation_rate_per_s", rate_per_s),
            Measurement("saturation_output_tokens_per_s", rate_per_s * output_tokens),
        ]
        if not np.isnan(layout.load):
            measurements.append(Measurement("total_rate_per_s", draw.system.arrival_rate_per_s / layout.load))
        return [*measurements, *utilisations(layout, run)]
