"""The event simulator: it runs jobs on any layout, by any rule and under any service model."""

from evaluators.simulation.jobs import simulate
from evaluators.simulation.layout import simulate_layout
from evaluators.simulation.streamed import stream_layout
from system.response import JobTimes

__all__ = ["JobTimes", "simulate", "simulate_layout", "stream_layout"]
