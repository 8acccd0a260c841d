"""PETALS' placement: servers join one after the other, each where the model is served least.

It follows the source of PETALS at commit 22afba6 (`server.py`, `block_selection.py`, `throughput.py`), without
rebalancing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.placement.windows import weakest_window, windows
from system import InputError, Placement, ServedModel, System
from system.checks import float_array, floor_with_slack, require, require_count, require_one_of, require_positive
from system.limits import TOKENS

GIB_IN_GB = 2**30 / 1e9
RESERVE_PER_WIDTH_GB = 2 * GIB_IN_GB / 14336  # kept free for gradients: 2 GiB at BLOOM's hidden size
BLOCK_SELECTIONS = ("lexicographic", "window_sum")


@dataclass(frozen=True)
class PetalsPlacement:
    """Servers filled with blocks, each beside a pool of cache, at the window of blocks with the least throughput.

    `block_selection` is the rule that compares windows. `lexicographic` is PETALS' own rule: it compares the sorted
    throughputs, the weakest block first. `window_sum` compares the sums of throughputs, as the paper's simulator does.
    `small_server_block_cap` limits the blocks on servers with less memory than the largest, as that simulator does (4
    blocks on a 2g.20gb, for which the formula gives 11).

    `measured_tokens_per_s` replaces the computed throughputs by two measured ones for each kind of server: of computing
    one block, and of the network. The first pair is that of the servers with the most memory, the second that of all
    others. It is no default, because measurements of one GPU say nothing of the servers of another cluster.
    """

    cached_tokens: int = 4096  # attn_cache_tokens, the size of the pool of each hosted block
    network_mbit_per_s: float = 692.8  # the same for every server
    block_selection: str = "lexicographic"
    small_server_block_cap: int | None = None
    measured_tokens_per_s: Sequence[Sequence[float]] | None = None  # (2, 2)

    def __post_init__(self) -> None:
        require_count(TOKENS, cached_tokens=self.cached_tokens)
        require_positive(network_mbit_per_s=self.network_mbit_per_s)
        require_one_of(BLOCK_SELECTIONS, block_selection=self.block_selection)
        if self.small_server_block_cap is not None:
            require_count(small_server_block_cap=self.small_server_block_cap)
        if self.measured_tokens_per_s is not None:
            _check_pairs("measured_tokens_per_s", self.measured_tokens_per_s)

    def __call__(self, system: System, reserved_capacity: int, rng: np.random.Generator) -> Placement:
        """Return the placement of servers that join in random order.

        `reserved_capacity` is not used: every server is filled, whatever the load.
        """
        block_count = self.block_count(system)
        throughput = self._throughput(system, block_count)
        first_block, served = np.zeros_like(block_count), np.zeros(system.model.block_count)
        for j in rng.permutation(block_count.size):
            first_block[j] = self._weakest(served, block_count[j])
            served[first_block[j] : first_block[j] + block_count[j]] += throughput[j]
        return Placement(first_block, block_count)

    def block_count(self, system: System) -> NDArray[np.int64]:
        """Return (J,) m_j, the blocks that fit on each server.

        Each block has its pool of cache, and the reserve stays free.
        """
        model = system.model
        pool_gb = model.cache_memory_gb * self.cached_tokens / model.cache_tokens
        usable_gb = np.maximum(system.servers.memory_gb - RESERVE_PER_WIDTH_GB * _hidden_size(model), 0)
        block_count = np.minimum(floor_with_slack(usable_gb / (model.block_memory_gb + pool_gb)), model.block_count)
        if self.small_server_block_cap is not None:
            small = _is_small(system)
            block_count[small] = np.minimum(block_count[small], self.small_server_block_cap)
        return system.servers.capped(block_count)

    def slots(self, system: System) -> NDArray[np.int64]:
        """Return (J,) N_j, the number of cache slots in each server's pool."""
        return self.block_count(system) * self.cached_tokens // system.model.cache_tokens

    def _throughput(self, system: System, block_count: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (J,) the throughputs in tokens/s that servers announce.

        It is that of computing, on average through half of the blocks, or that of the network if it is less.
        """
        if self.measured_tokens_per_s is not None:
            kinds = np.asarray(self.measured_tokens_per_s, dtype=np.float64)
            computing, network = kinds[_is_small(system).astype(np.int64)].T
            return np.minimum(computing / ((block_count + 1) / 2), network)
        network_tokens_per_s = self.network_mbit_per_s * 1e6 / (16 * _hidden_size(system.model))
        block_s_per_token = np.maximum(system.servers.block_s[:, 1], np.finfo(float).tiny)
        return np.minimum(1 / block_s_per_token / ((block_count + 1) / 2), network_tokens_per_s)

    def _weakest(self, served: NDArray[np.float64], length: int) -> int:
        """Return the start of the window with the least throughput, the first of equals."""
        if self.block_selection == "lexicographic":
            return weakest_window(served, max(length, 1))
        # Many sums are equal but for their last bits, which so decide. The simulator adds block after block; numpy's
        # `sum` adds pairs, and would place servers elsewhere.
        return int(np.cumsum(windows(served, max(length, 1)), axis=1)[:, -1].argmin())


def _is_small(system: System) -> NDArray[np.bool_]:
    """Return (J,) whether a server has less memory than the largest."""
    return system.servers.memory_gb < system.servers.memory_gb.max()


def _check_pairs(field: str, pairs: Sequence[Sequence[float]]) -> None:
    """Raise `InputError` unless the field holds two pairs of positive numbers."""
    shape = float_array(field, pairs).shape
    require(shape == (2, 2), field, f"array of shape {shape}", "give [computing, network] of two kinds of servers")
    for kind, pair in enumerate(pairs):
        require_positive(**{f"{field}[{kind}][{i}]": value for i, value in enumerate(pair)})


def _hidden_size(model: ServedModel) -> int:
    if model.hidden_size is None:
        raise InputError(
            "model.hidden_size = None: PETALS' memory reserve and network throughput depend on it; "
            "give the width of the model's activations"
        )
    return model.hidden_size
