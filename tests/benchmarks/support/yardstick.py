"""What claims about seconds are measured with: a plain Python loop, as absolute times differ between machines."""

import numpy as np

from tests.benchmarks.scale import Scale
from tests.benchmarks.support.benchmark import Peer
from tests.benchmarks.support.four_chains import FOUR_CHAINS
from tests.benchmarks.support.peers import heap_responses_s
from tests.benchmarks.support.timing import seconds

REFERENCE_S = 0.2  # that the loop takes for 100,000 jobs; .18 and .25 on the two processors on which we have run it


def yardstick(scale: Scale, claim_s: float) -> Peer:
    """Return the loop as a peer, with the claim to take at most so many seconds where it takes `REFERENCE_S`."""
    loop = seconds(lambda: np.mean(heap_responses_s(FOUR_CHAINS, scale.heap_jobs, 1)))
    return Peer(f"{scale.heap_jobs:,} jobs through a heap loop in Python", loop, float(f"{REFERENCE_S / claim_s:.2g}"))
