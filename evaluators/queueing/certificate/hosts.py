"""Servers by type: what each can contribute to the way of a job through all blocks.

A job that runs k blocks at server j needs k of its cache slots. A server that hosts m >= k blocks has at most S_j(m) <=
S_j(k) = floor((M_j - s_m k) / s_c) slots, so the job takes at least the share k / S_j(k) of the server.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from system.checks import floor_with_slack
from system.system import System

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Hosts:
    """T types of equal servers, with what a job costs that runs k blocks at one of them."""

    count: Ints  # (T,), servers of the type
    time_s: Floats  # (T, L + 1), time of the visit; 0 for k = 0
    share: Floats  # (T, L + 1), least share of the server that the job takes; infinite where it cannot run k blocks
    most: Ints  # (T,), the largest possible k
    most_jobs: int  # in service at a time, by the memory of all servers together

    @property
    def block_count(self) -> int:
        """Return L, the number of blocks that a job runs."""
        return self.share.shape[1] - 1

    @property
    def copies(self) -> Ints:
        """Return (T,) the most servers of each type on a way."""
        return np.where(self.most > 0, np.minimum(self.count, self.block_count), 0)


def largest_hosted(system: System) -> Ints:
    """Return (J,) the most blocks beside one cache slot."""
    return (_slots(system) > 0).sum(axis=1) - 1


def hosts_of(system: System, least: Ints | None = None, most: Ints | None = None, grouped: bool = True) -> Hosts:
    """Return the servers by type.

    Server j hosts between `least[j]` and `most[j]` blocks, by default from none to all. Not grouped, each server is a
    type of its own.
    """
    hosted = np.arange(system.model.block_count + 1)
    lowest = np.zeros(len(system.servers), np.int64) if least is None else least
    slots = np.take_along_axis(_slots(system), np.maximum(hosted, lowest[:, None]), axis=1)
    possible = hosted <= np.minimum(slots, np.inf if most is None else most[:, None])
    share = np.where(possible, hosted / np.maximum(slots, 1), np.inf)
    share[:, 0] = 0.0
    time_s = (system.communication_s[:, None] + system.block_s[:, None] * hosted) * (hosted > 0)
    most_jobs = system.pooled_jobs(system.model.block_count)
    rows = np.hstack([time_s, share])
    first, count = _types(rows) if grouped else (np.arange(len(rows)), np.ones(len(rows), np.int64))
    return Hosts(count, time_s[first], share[first], np.isfinite(share[first, 1:]).sum(axis=1), most_jobs)


def _slots(system: System) -> Ints:
    """Return (J, L + 1) the cache slots beside k hosted blocks.

    They are counted as in `Placement.cache_slots`, but for k = 0, where the whole memory counts.
    """
    model = system.model
    free_gb = system.servers.memory_gb[:, None] - model.block_memory_gb * np.arange(model.block_count + 1)
    return floor_with_slack(np.maximum(free_gb, 0.0) / model.cache_memory_gb)


def _types(rows: Floats) -> tuple[Ints, Ints]:
    """Return a server of each type, and their numbers."""
    _, first, count = np.unique(rows, axis=0, return_index=True, return_counts=True)
    return first, count
