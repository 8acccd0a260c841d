"""Theory for Poisson arrivals and exponential sizes.

It has bounds, the exact value, and a Markov chain that serves as the oracle. A *slot* is one unit of a chain's
capacity here: chain k has c_k slots, each of which serves one job at a time.
"""

from evaluators.queueing.exact import ExactResponse, exact
from evaluators.queueing.markov import MarkovResponse, markov
from evaluators.queueing.theorem4 import ResponseBounds, theorem4

__all__ = [
    "ExactResponse",
    "MarkovResponse",
    "ResponseBounds",
    "exact",
    "markov",
    "theorem4",
]
