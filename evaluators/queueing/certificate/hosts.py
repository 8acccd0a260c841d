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

KEPT = 2.0**40  # parts of a time, 12 digits
TYPES = 60  # of servers at most, because the time grows with more than their square


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
    type of its own. Otherwise there are at most `TYPES`: servers that hardly differ are taken for the best of them.
    """
    system.require_hub("the certificate")
    hosted = np.arange(system.model.block_count + 1)
    lowest = np.zeros(len(system.servers), np.int64) if least is None else least
    slots = np.take_along_axis(_slots(system), np.maximum(hosted, lowest[:, None]), axis=1)
    possible = hosted <= np.minimum(slots, np.inf if most is None else most[:, None])
    share = np.where(possible, hosted / np.maximum(slots, 1), np.inf)
    share[:, 0] = 0.0
    visit_s, block_s = (_rounded_down(times_s)[:, None] for times_s in (system.communication_s, system.block_s))
    time_s = (visit_s + block_s * hosted) * (hosted > 0)
    number = _type_numbers(time_s, share, TYPES) if grouped else np.arange(len(share))
    count, time_s, share = np.bincount(number), _least_of(number, time_s), _least_of(number, share)
    return Hosts(count, time_s, share, np.isfinite(share[:, 1:]).sum(axis=1), system.pooled_jobs(hosted[-1]))


def _rounded_down(times_s: Floats) -> Floats:
    """Return times without their last digits.

    Processors differ in these, and servers that differ in no more are of one type. Shorter times keep the bound valid.
    """
    mantissa, exponent = np.frexp(times_s)
    return np.asarray(np.ldexp(np.floor(mantissa * KEPT) / KEPT, exponent))


def _slots(system: System) -> Ints:
    """Return (J, L + 1) the cache slots beside k hosted blocks.

    They are counted as in `Placement.cache_slots`, but for k = 0, where the whole memory counts.
    """
    model = system.model
    free_gb = system.servers.memory_gb[:, None] - model.block_memory_gb * np.arange(model.block_count + 1)
    return floor_with_slack(np.maximum(free_gb, 0.0) / model.cache_memory_gb)


def _type_numbers(time_s: Floats, share: Floats, most_types: int) -> Ints:
    """Return (J,) the type of each server.

    Equal servers are of one type. If these types are too many, servers are divided by their widest difference, in
    memory or in the time for one or for all blocks, into as many types as there may be.
    """
    number = np.unique(np.hstack([time_s, share]), axis=0, return_inverse=True)[1].ravel()
    if number.max() < most_types:
        return number
    features = np.log(np.column_stack([time_s[:, 1], time_s[:, -1], np.minimum(share[:, 1], 1.0)]))
    groups = [np.arange(len(share))]
    while len(groups) < most_types:
        spreads = [np.ptp(features[group], axis=0).max() for group in groups]
        wide = groups.pop(int(np.argmax(spreads)))
        values = features[wide][:, np.ptp(features[wide], axis=0).argmax()]
        upper = values > (values.min() + values.max()) / 2
        groups += [wide[~upper], wide[upper]]
    for index, group in enumerate(groups):
        number[group] = index
    return number


def _least_of(number: Ints, rows: Floats) -> Floats:
    """Return the least entries of the rows with each number."""
    least = np.full((int(number.max()) + 1, rows.shape[1]), np.inf)
    np.minimum.at(least, number, rows)
    return least
