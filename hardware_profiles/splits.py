"""Clusters whose servers are just large enough for given chains, such as engines that are started for a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.clusters import link_times, require_overheads, servers_of
from hardware_profiles.networks.draw import Network
from hardware_profiles.profile import GpuProfile
from system import InputError, RandomStreams, ServedModel, Servers
from system.checks import require, require_count, require_positive
from system.limits import SERVERS, SLOTS
from system.random_streams import is_deterministic


@dataclass(frozen=True, kw_only=True)
class SplitServers:
    """Servers that host the model once for each list of `splits`, whose numbers are in proportion to their blocks.

    A split of [8, 8] halves a model of any size, and [3, 13] of 16 blocks are 3 and 13. Each server has memory for its
    blocks and, on each of them, for `capacity` jobs. Its speed is that of the profile; the profile's memory is ignored.
    `placement=in_order` makes the chains.
    """

    network: Network
    profile: GpuProfile
    splits: Sequence[Sequence[float]]
    capacity: int  # c
    prefill_overhead_s: float  # once per visit
    token_overhead_s: float  # per further output token

    def __post_init__(self) -> None:
        require(len(self.splits) > 0, "splits", list(self.splits), "list the parts of at least one chain")
        for parts in self.splits:
            is_list = isinstance(parts, Sequence) and not isinstance(parts, str) and len(parts) > 0
            require(is_list, "splits", parts, "must be lists of parts, such as [[8, 8], [3, 13]]")
            for part in parts:
                require_positive(splits=part)
        require_count(SERVERS, splits=sum(map(len, self.splits)))
        require_count(SLOTS, capacity=self.capacity)
        require_overheads(self.prefill_overhead_s, self.token_overhead_s)

    @property
    def deterministic(self) -> bool:
        """Return whether the network is not random."""
        return is_deterministic(self.network)

    def draw(self, model: ServedModel, streams: RandomStreams) -> Servers:
        """Return the servers, chain after chain; draws differ only in the network."""
        blocks = np.concatenate([_blocks(parts, model.block_count) for parts in self.splits])
        nodes = self.network.draw(blocks.size, streams.cluster("network"))
        memory_gb = blocks * (model.block_memory_gb + self.capacity * model.cache_memory_gb)
        links = link_times(nodes, model, self.prefill_overhead_s, self.token_overhead_s)
        return servers_of(self.profile, model, memory_gb, nodes.names, links)


def _blocks(parts: Sequence[float], block_count: int) -> NDArray[np.int64]:
    """Return the blocks of a chain's servers; raise `InputError` if one has none."""
    ends = np.rint(block_count * np.cumsum(parts) / np.sum(parts)).astype(np.int64)
    blocks = np.diff(ends, prepend=0)
    if (blocks == 0).any():
        raise InputError(
            f"splits = {list(parts)}: leaves a server without any of {block_count} blocks; choose parts that are closer"
        )
    return blocks
