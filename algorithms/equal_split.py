"""Equal split: the model is cut into equal stages, and servers are assigned to the stages in turn."""

from dataclasses import dataclass

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from system import Composition, InfeasibleError, Placement, System
from system.checks import SLACK, require_count
from system.dispatch import Dispatch


@dataclass(frozen=True)
class EqualSplit:
    """Baseline with a fixed number of stages: GCA forms the chains, the policy dispatches the jobs."""

    stages: int
    dispatch: Dispatch = JFFC

    def __post_init__(self) -> None:
        require_count(stages=self.stages)

    @property
    def deterministic(self) -> bool:
        """Return whether the policy is not random."""
        return self.dispatch.deterministic

    def compose(self, system: System, rng: np.random.Generator) -> Composition:
        """Return the chains of `equal_split` under the policy; nothing is random."""
        return equal_split(system, self.stages).under(self.dispatch)


def equal_split(system: System, stages: int) -> Composition:
    """Return GCA's chains over equal stages; raise as `equal_split_placement` does."""
    return gca(system, equal_split_placement(system, stages))


def equal_split_placement(system: System, stages: int) -> Placement:
    """Return the placement of equal stages.

    The stages differ by at most one block; a model with fewer blocks than `stages` is cut into stages of one block. The
    first server hosts the first stage, the next server the second, and so on, beginning again after the last stage.
    Servers without the memory for the largest stage and one job's cache of it, and servers that may host fewer blocks
    (`most_blocks`), are left out.

    Raises `InfeasibleError` if fewer servers than stages are left.
    """
    model = system.model
    count = min(stages, model.block_count)
    bounds = np.linspace(0, model.block_count, count + 1).astype(int)
    lengths = np.diff(bounds)
    needed_gb = lengths.max() * (model.block_memory_gb + model.cache_memory_gb)
    allowed = system.servers.capped(np.full(len(system.servers), lengths.max())) == lengths.max()
    fitting = np.flatnonzero((system.servers.memory_gb * (1 + SLACK) >= needed_gb) & allowed)
    if fitting.size < count:
        cap = "" if system.servers.most_blocks is None else f" and a most_blocks of at least {lengths.max()}"
        raise InfeasibleError(
            f"stages = {stages}: the number of servers with the {needed_gb:.4g} GB for a stage and one job's cache"
            f"{cap} is {fitting.size}, which is too few; change the number of stages or add servers"
        )
    stage = np.arange(fitting.size) % count
    first_block, block_count = np.zeros((2, len(system.servers)), np.int64)
    first_block[fitting], block_count[fitting] = bounds[stage], lengths[stage]
    return Placement(first_block, block_count)
