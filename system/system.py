"""One instance of the problem (paper Sec. 2.1): a model, the servers, the mean job and the arrival rate."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from system.checks import float_vector, floor_with_slack, require, require_one_of, require_positive, require_share
from system.errors import InputError, NotApplicableError
from system.limits import LARGEST, SMALLEST
from system.models.served import ServedModel
from system.servers import Servers

Forwarding = Literal["hub", "direct"]

# The mean job without lengths: times that are given as plain seconds count once.
UNIT_JOB = (1.0, 0.0, 0.0)


@dataclass(frozen=True)
class System:
    """A served model on unequal servers, the mean job and the arrival rate.

    `mean_job` is the mean of x = (1, input tokens, output tokens - 1). Every mean time below is that of a job of size 1
    with these lengths.

    `forwarding` says how a job's activations get from a server to the next one. Over the `hub` they return to the
    orchestrator, which sends them on, as in the paper. A `direct` hop goes straight from server to server, and only the
    first and the last hop of a path touch the orchestrator.
    """

    model: ServedModel
    servers: Servers
    arrival_rate_per_s: float  # λ
    mean_job: tuple[float, float, float] = UNIT_JOB
    target_load: float = 0.7  # ρ̄
    forwarding: Forwarding = "hub"

    def __post_init__(self) -> None:
        require_positive(arrival_rate_per_s=self.arrival_rate_per_s)
        require_share(target_load=self.target_load)
        require_one_of(get_args(Forwarding), forwarding=self.forwarding)
        mean_job = float_vector("mean_job", self.mean_job)
        require(mean_job.size == 3, "mean_job", self.mean_job, "give (1, mean input tokens, mean output tokens - 1)")
        self._check_times()

    @cached_property
    def communication_s(self) -> NDArray[np.float64]:
        """Return (J,) the mean communication times of a visit, τc_j.

        With direct hops, the time of a visit depends on the servers before and after. Then this is the mean over all
        other servers, which placements and allocations plan with. The times of chains are those of their own hops
        (`path_coefficients_s`).
        """
        if self.forwarding == "hub" or len(self.servers) == 1:
            return self.servers.communication_s @ np.asarray(self.mean_job)
        crossing_s = self.servers.all_crossing_coefficients_s()
        both_s = (crossing_s + crossing_s.transpose(1, 0, 2)) @ np.asarray(self.mean_job) / 2
        np.fill_diagonal(both_s, 0.0)
        return both_s.sum(axis=1) / (len(self.servers) - 1)

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

    def require_hub(self, field: str, remedy: str = "use forwarding=hub") -> None:
        """Raise `NotApplicableError` if hops are direct, for what is right over the hub only."""
        if self.forwarding != "hub":
            raise NotApplicableError(f"{field}: holds for hops over the hub only, and forwarding = direct; {remedy}")

    def path_coefficients_s(
        self, hop_server: NDArray[np.int64], hop_blocks: NDArray[np.int64], hop_start: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return (K, 3) the time coefficients of a job on each path.

        They follow equation (2). The hops of path k are `hop_start[k]:hop_start[k + 1]`; hop i runs `hop_blocks[i]`
        blocks on `hop_server[i]`.
        """
        servers = self.servers
        if self.forwarding == "hub":
            visits_s = servers.visit_coefficients_s(hop_server, hop_blocks)
            return np.add.reduceat(visits_s, hop_start[:-1], axis=0)
        hops_s = hop_blocks[:, None] * servers.block_s[hop_server]
        first, last = hop_start[:-1], hop_start[1:] - 1
        inner = np.delete(np.arange(hop_server.size), first)  # hops that another server leads to
        hops_s[inner] += servers.crossing_coefficients_s(hop_server[inner - 1], hop_server[inner])
        ends_s = (servers.communication_s[hop_server[first]] + servers.communication_s[hop_server[last]]) / 2
        return np.add.reduceat(hops_s, first, axis=0) + ends_s

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
