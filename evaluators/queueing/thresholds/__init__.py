"""Thresholds (`algorithms.dispatch.thresholds`): their loss system, waiting times, and the best ones of a layout."""

from evaluators.queueing.thresholds.search import best_thresholds, thresholds_of

__all__ = ["best_thresholds", "thresholds_of"]
