"""Simulation of any layout under any service model."""

from typing import get_args

import numpy as np

from evaluators.simulation.jobs import simulate_jobs
from evaluators.simulation.steps.simulate import simulate_steps
from system.checks import require, require_one_of
from system.layout import Layout
from system.response import Run
from system.service.independent import INDEPENDENT
from system.service.linear_law import step_alone_s
from system.service.model import Loop, ServiceModel, StepRules
from workloads.jobs import Jobs


def simulate_layout(
    layout: Layout,
    jobs: Jobs,
    service: ServiceModel = INDEPENDENT,
    rng: np.random.Generator | None = None,
    stop_unstable: bool = False,
) -> Run:
    """Serve `jobs` on a layout by its rule; a service model gives their times.

    `rng` is for service models with random times. Every job is served to its end. With `stop_unstable`, raises
    `UnstableError` if the arrival rate is too high for condition (4) under equation (2), or once jobs leave more slowly
    than they come. Raises `NotApplicableError` for jobs that the service model cannot handle, and `InputError` for a
    service model that contradicts its loop.
    """
    _check_loop(service)
    if stop_unstable:
        layout.check_stable()
    if service.loop == "jobs":
        return Run(simulate_jobs(layout, jobs, stop_unstable, float(service.request_delay_s)))
    return simulate_steps(layout, jobs, service, rng, stop_unstable)


def _check_loop(service: ServiceModel) -> None:
    """Raise `InputError` unless a service model's loop exists and suits the model."""
    require_one_of(get_args(Loop), loop=service.loop)
    alone = service.step_s is step_alone_s and service.rules == StepRules()
    name = type(service).__name__
    require(service.loop != "jobs" or alone, "service", name, 'its `step_s` or `rules` need `loop = "steps"`')
    at_once = service.loop == "jobs" or service.request_delay_s == 0
    require(at_once, "service", name, 'its `request_delay_s` needs `loop = "jobs"`')
