"""The event simulator: any dispatch policy on any chains, job by job."""

from evaluators.simulation.simulate import JobTimes, simulate

__all__ = ["JobTimes", "simulate"]
