"""The random numbers of the authors' simulator, so that its own runs can be repeated.

The simulator is load_balance_llm_simulator at commit 058ff0d, the comparison of version 4. A run has one seed for its
Mersenne Twister, and takes uniform numbers from it in a fixed order: for the network, the gaps and the sizes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_count, require_not_negative
from system.limits import JOBS, NODES
from system.random_streams import RandomStreams

PLACEMENT_SEED = 999  # added to a run's seed for the order in which PETALS' servers join
LARGEST_SEED = 2**32 - 1


class Twister(np.random.Generator):
    """MATLAB's generator of a seed, from which some numbers are already taken.

    Uniform numbers are those of numpy's `RandomState`. Orders and exponential numbers follow from them as in the
    simulator.
    """

    def __init__(self, seed: int, taken: int = 0) -> None:
        """Start from a seed, and skip the first uniform numbers."""
        bits = np.random.MT19937(0)  # any seed, as the next line sets another
        np.random.RandomState(bits).seed(seed)
        super().__init__(bits)
        self.random(taken)

    def permutation(self, count: int) -> NDArray[np.int64]:  # type: ignore[override]  # of numbers only
        """Return the order that sorts as many uniform numbers (MATLAB's `randperm`)."""
        return np.argsort(self.random(count), kind="stable")

    def standard_exponential(self, count: int) -> NDArray[np.float64]:  # type: ignore[override]  # of that size only
        """Return (count,) the negative logarithms of uniform numbers."""
        return -np.log(self.random(count))


@dataclass(frozen=True, kw_only=True)
class PublishedStreams(RandomStreams):
    """Streams of one run of the simulator, whose seed is `seed` + `draw`.

    The numbers for the network come first, then the gaps between jobs, then their sizes. Streams that the simulator
    does not have are those of `RandomStreams`.
    """

    node_count: int
    job_count: int

    def __post_init__(self) -> None:
        super().__post_init__()
        remedy = "random_numbers=published_code draws jobs once for each cluster; use replications=1, or more draws"
        require(self.replication == 0, "replication", self.replication, remedy)
        remedy = f"with random_numbers=published_code, seed and draw together must be at most {LARGEST_SEED:,}"
        require(self._run_seed + PLACEMENT_SEED <= LARGEST_SEED, "seed", self.seed, remedy)

    def cluster(self, name: str) -> np.random.Generator:
        """Return the generator of the network or of PETALS' joining order."""
        if name == "placement":
            return Twister(self._run_seed + PLACEMENT_SEED)
        return Twister(self._run_seed) if name == "network" else super().cluster(name)

    def jobs(self, name: str) -> np.random.Generator:
        """Return the generator of gaps or sizes."""
        taken = {"arrivals": self.node_count, "sizes": self.node_count + self.job_count}
        return Twister(self._run_seed, taken[name]) if name in taken else super().jobs(name)

    @property
    def _run_seed(self) -> int:
        return self.seed + self.draw


@dataclass(frozen=True)
class PublishedNumbers:
    """A source of `PublishedStreams`.

    It is not the default: one seed fixes all numbers in their order, so that another number of jobs changes the sizes,
    and a cluster cannot get several sets of jobs.

    In the simulator's comparison of clusters (Fig. 8) every cell has seeds of its own, 1,000 J + 10,000 η above the
    others. `server_count` and `fast_share` are then those of the cell.
    """

    node_count: int  # of the network without the orchestrator; so many numbers come before the first gap
    job_count: int  # of a run; so many gaps come before the first size
    server_count: int = 0  # J
    fast_share: float = 0.0  # η

    def __post_init__(self) -> None:
        require_count(NODES, node_count=self.node_count)
        require_count(JOBS, job_count=self.job_count)
        require_not_negative(server_count=self.server_count, fast_share=self.fast_share)

    def __call__(self, seed: int, draw: int, replication: int) -> RandomStreams:
        """Return the streams of one run."""
        cell = 1000 * self.server_count + round(10_000 * self.fast_share)
        return PublishedStreams(seed + cell, draw, replication, node_count=self.node_count, job_count=self.job_count)
