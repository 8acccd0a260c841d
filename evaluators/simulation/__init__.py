"""The event simulator, job by job: any dispatch policy on any chains, and any routing over servers."""

from evaluators.simulation.routed import simulate_routed
from evaluators.simulation.simulate import ChainJobTimes, JobTimes, simulate

__all__ = ["ChainJobTimes", "JobTimes", "simulate", "simulate_routed"]
