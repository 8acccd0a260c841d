"""One instance of the problem (paper Sec. 2.1): a model, the servers, the mean job and the arrival rate."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from system.checks import float_vector, floor_with_slack, require, require_positive, require_share
from system.errors import InputError
from system.limits import LARGEST, SMALLEST
from system.models.served import ServedModel
from system.servers import Servers

# The mean job without lengths: times that are given as plain seconds count once.
UNIT_JOB = (1.0, 0.0, 0.0)


@dataclass(frozen=True)
class System:
    """A served model on unequal servers, the mean job and the arrival rate.

    `mean_job` is the mean of x = (1, input tokens, output tokens - 1). Every mean time below is that of a job of size 1
    with these lengths.
    """

    model: ServedModel
    servers: Servers
    arrival_rate_per_s: float  # λ
    mean_job: tuple[float, float, float] = UNIT_JOB
    target_load: float = 0.7  # ρ̄

    def __post_init__(self) -> None:
        require_positive(arrival_rate_per_s=self.arrival_rate_per_s)
        require_share(target_load=self.target_load)
        mean_job = float_vector("mean_job", self.mean_job)
        require(mean_job.size == 3, "mean_job", self.mean_job, "give (1, mean input tokens, mean output tokens - 1)")
        self._check_times()

    @cached_property
    def communication_s(self) -> NDArray[np.float64]:
        """Return (J,) the mean communication times of a visit, τc_j."""
        return self.servers.communication_s @ np.asarray(self.mean_job)

    @cached_property
    def block_s(self) -> NDArray[np.float64]:
        """Return (J,) the mean computation times of one block, τp_j."""
        return self.servers.block_s @ np.asarray(self.mean_job)

    def _check_times(self) -> None:
        """Raise `InputError` unless the servers take some time, and not endless time."""
        one_s, all_s = (self.communication_s + self.block_s * blocks for blocks in (1, self.model.block_count))
        wrong = np.flatnonzero(~((one_s >= SMALLEST) & (all_s <= LARGEST)))
        if wrong.size:
            j = int(wrong[0])
            raise InputError(
                f"time of {self.servers.name(j)} for the mean job = {one_s[j]:g} s for one block, {all_s[j]:g} s for "
                f"all: must lie between {SMALLEST:g} and {LARGEST:g} s; check communication_s and block_s"
            )

    @property
    def required_rate_per_s(self) -> float:
        """Return the total service rate for the target load, λ/ρ̄ of (5)."""
        return self.arrival_rate_per_s / self.target_load

    def pooled_jobs(self, blocks: int) -> int:
        """Return how many jobs the memory of all servers together could hold.

        The memory holds `blocks` blocks and each job's cache for all of these blocks.
        """
        model = self.model
        free_gb = float(self.servers.memory_gb.sum()) - model.block_memory_gb * blocks
        return int(floor_with_slack(max(free_gb, 0.0) / (model.cache_memory_gb * blocks)))

    @property
    def largest_reservation(self) -> int:
        """Return c_max, the most jobs for which cache can be reserved.

        It is the number of jobs whose cache fits beside one block on the server with the most memory.
        """
        free_gb = float(self.servers.memory_gb.max()) - self.model.block_memory_gb
        return max(int(floor_with_slack(free_gb / self.model.cache_memory_gb)), 0)
