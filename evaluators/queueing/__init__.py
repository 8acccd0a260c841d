"""Closed forms for Poisson arrivals and exponential sizes: bounds, the exact value, and a Markov chain as oracle."""

from evaluators.queueing.exact import AccuracyError, ExactResponse, exact
from evaluators.queueing.markov import MarkovResponse, markov
from evaluators.queueing.theorem4 import ResponseBounds, theorem4

__all__ = [
    "AccuracyError",
    "ExactResponse",
    "MarkovResponse",
    "ResponseBounds",
    "exact",
    "markov",
    "theorem4",
]
