"""Simulation of any layout under any service model."""

import numpy as np

from evaluators.simulation.simulate import simulate_jobs
from evaluators.simulation.steps import simulate_steps
from system.layout import Layout
from system.response import Run
from system.service import ServiceModel
from system.service_models.independent import INDEPENDENT
from workloads.jobs import Jobs


def simulate_layout(
    layout: Layout,
    jobs: Jobs,
    service: ServiceModel = INDEPENDENT,
    rng: np.random.Generator | None = None,
    stop_unstable: bool = False,
) -> Run:
    """Serve `jobs` on a layout under its rule, as a service model says how long they take.

    `rng` is for service models whose times vary by themselves. Every job is served to its end; with `stop_unstable` the
    run ends with `UnstableError` where equation (2) says that the arrival rate is too high (4), or jobs are seen to
    leave more slowly than they come. Raises `NotApplicableError` for jobs that the service model does not know.
    """
    if service.loop == "jobs":
        if stop_unstable:
            layout.check_stable()
        return Run(simulate_jobs(layout, jobs, stop_unstable))
    return simulate_steps(layout, jobs, service, rng, stop_unstable)
