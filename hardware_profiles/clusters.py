"""Clusters: servers of two kinds as in the paper (Sec. 4), or equal servers that are just large enough for a model."""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.networks.draw import Network, NetworkDraw
from hardware_profiles.profile import GpuProfile
from system import InputError, RandomStreams, ServedModel, Servers
from system.checks import (
    float_vector,
    floor_with_slack,
    require,
    require_at_most,
    require_count,
    require_not_negative,
    require_one_of,
)
from system.limits import DELAY_S, SERVERS, SLOTS
from system.random_streams import is_deterministic

FAST_SERVERS = ("random", "nearest", "first")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """J servers of two kinds around an orchestrator.

    A visit to a server costs a round trip and an overhead. Either `fast_share` or `fast_count` is set; with a share η
    there are floor(J η) fast servers. Fast servers are drawn at `random`, or they are the `nearest` to the
    orchestrator, as in the published code, or the `first` ones.
    """

    network: Network
    fast: GpuProfile
    slow: GpuProfile
    server_count: int  # J
    fast_share: float | None = None  # η
    fast_count: int | None = None
    fast_servers: str = "random"
    memory_budget_gb: tuple[float, float] | None = None  # of a fast and a slow server; None: their profiles' memory
    prefill_overhead_s: float  # once per visit
    token_overhead_s: float  # per further output token

    def __post_init__(self) -> None:
        require_count(SERVERS, server_count=self.server_count)
        require_overheads(self.prefill_overhead_s, self.token_overhead_s)
        require_one_of(FAST_SERVERS, fast_servers=self.fast_servers)
        if (self.fast_share is None) == (self.fast_count is None):
            raise InputError(
                f"fast_share = {self.fast_share} and fast_count = {self.fast_count}: "
                "give exactly one of them and set the other to null"
            )
        if self.fast_share is not None:
            require(0 <= self.fast_share <= 1, "fast_share", self.fast_share, "must lie between 0 and 1")
        if self.fast_count is not None:
            possible = self.fast_count in range(self.server_count + 1)
            require(possible, "fast_count", self.fast_count, f"must be a whole number from 0 to {self.server_count}")
        if self.memory_budget_gb is not None:
            is_pair = float_vector("memory_budget_gb", self.memory_budget_gb).size == 2
            remedy = "must be two numbers, of a fast and of a slow server"
            require(is_pair, "memory_budget_gb", list(self.memory_budget_gb), remedy)

    @property
    def deterministic(self) -> bool:
        """Return whether network and fast servers are not random."""
        is_chosen = self.fast_servers != "random" or self._fast_count() in (0, self.server_count)
        return is_chosen and is_deterministic(self.network)

    def draw(self, model: ServedModel, streams: RandomStreams) -> Servers:
        """Return the servers of one draw.

        Their time coefficients are in seconds (footnote 2 and Sec. 4).
        """
        nodes = self.network.draw(self.server_count, streams.cluster("network"))
        is_fast = self._is_fast(nodes.rtt_s, streams.cluster("types"))
        return Servers(
            memory_gb=np.where(is_fast, *self._memory_gb),
            block_s=np.where(
                is_fast[:, None], self.fast.block_coefficients_s(model), self.slow.block_coefficients_s(model)
            ),
            names=self._names(nodes, is_fast),
            batch_curves=self._batch_curves(model, is_fast),
            cost_per_hour=np.where(is_fast, self.fast.cost_per_hour, self.slow.cost_per_hour),
            idle_w=np.where(is_fast, self.fast.idle_w, self.slow.idle_w),
            busy_w=np.where(is_fast, self.fast.busy_w, self.slow.busy_w),
            **link_times(nodes, model, self.prefill_overhead_s, self.token_overhead_s),
            gpu_memory_gb=np.where(is_fast, self.fast.memory_gb, self.slow.memory_gb),
            gpu_tflops=np.where(is_fast, self.fast.prefill_tflops, self.slow.prefill_tflops),
        )

    def _batch_curves(self, model: ServedModel, is_fast: NDArray[np.bool_]) -> tuple[dict[int, float], ...]:
        """Return the batch curve of each server's profile."""
        slow, fast = self.slow.batch_curve(model), self.fast.batch_curve(model)
        return tuple(fast if chosen else slow for chosen in is_fast.tolist())

    @property
    def _memory_gb(self) -> tuple[float, float]:
        """Return the memory of a fast and of a slow server."""
        return self.memory_budget_gb or (self.fast.memory_gb, self.slow.memory_gb)

    def _is_fast(self, rtt_s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return (J,) whether each server is fast.

        The fast servers come first by distance, in a random order, or in the order of the servers.
        """
        orders = {"nearest": rtt_s, "random": rng.random(rtt_s.size), "first": np.arange(rtt_s.size)}
        rank = np.argsort(orders[self.fast_servers], kind="stable")
        is_fast = np.zeros(rtt_s.size, dtype=np.bool_)
        is_fast[rank[: self._fast_count()]] = True
        return is_fast

    def _fast_count(self) -> int:
        if self.fast_share is not None:
            return int(floor_with_slack(self.server_count * self.fast_share))
        return int(self.fast_count or 0)

    def _names(self, nodes: NetworkDraw, is_fast: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return each server's node and GPU, such as "Paris 3 (a100_3g_40gb)"."""
        gpus = np.where(is_fast, self.fast.name, self.slow.name).tolist()
        return tuple(f"{node} ({gpu})" for node, gpu in zip(nodes.names, gpus, strict=True))


@dataclass(frozen=True, kw_only=True)
class EqualServers:
    """J equal servers that together host the model once.

    Each server has memory for ceil(L/J) blocks and, for each of them, cache slots for `capacity` jobs: M = ceil(L/J)
    (s_m + c s_c). Its speed is that of the profile; the profile's memory is ignored.
    """

    network: Network
    profile: GpuProfile
    server_count: int  # J
    capacity: int  # c
    prefill_overhead_s: float  # once per visit
    token_overhead_s: float  # per further output token

    def __post_init__(self) -> None:
        require_count(SERVERS, server_count=self.server_count)
        require_count(SLOTS, capacity=self.capacity)
        require_overheads(self.prefill_overhead_s, self.token_overhead_s)

    @property
    def deterministic(self) -> bool:
        """Return whether the network is not random."""
        return is_deterministic(self.network)

    def draw(self, model: ServedModel, streams: RandomStreams) -> Servers:
        """Return the servers of one draw; draws differ only in the network."""
        nodes = self.network.draw(self.server_count, streams.cluster("network"))
        blocks = -(-model.block_count // self.server_count)
        memory_gb = blocks * (model.block_memory_gb + self.capacity * model.cache_memory_gb)
        links = link_times(nodes, model, self.prefill_overhead_s, self.token_overhead_s)
        return servers_of(self.profile, model, np.full(self.server_count, memory_gb), nodes.names, links)


def servers_of(
    profile: GpuProfile,
    model: ServedModel,
    memory_gb: NDArray[np.float64],
    names: tuple[str, ...],
    links: "LinkTimes",
) -> Servers:
    """Return J servers of one profile, each with its memory (J,), name and links."""
    return Servers(
        memory_gb=memory_gb,
        block_s=np.tile(profile.block_coefficients_s(model), (memory_gb.size, 1)),
        names=names,
        batch_curves=(profile.batch_curve(model),) * memory_gb.size,
        cost_per_hour=np.array(profile.cost_per_hour),
        idle_w=np.array(profile.idle_w),
        busy_w=np.array(profile.busy_w),
        **links,
        gpu_memory_gb=np.array(profile.memory_gb),
        gpu_tflops=np.array(profile.prefill_tflops),
    )


def require_overheads(prefill_overhead_s: float, token_overhead_s: float) -> None:
    """Raise `InputError` unless the overheads of messages are times in seconds."""
    require_not_negative(prefill_overhead_s=prefill_overhead_s, token_overhead_s=token_overhead_s)
    require_at_most(DELAY_S, prefill_overhead_s=prefill_overhead_s, token_overhead_s=token_overhead_s)


class LinkTimes(TypedDict):
    """The fields of `Servers` that follow from links."""

    communication_s: NDArray[np.float64]
    orchestrator_rtt_s: NDArray[np.float64]
    rtt_s: NDArray[np.float64] | None
    overhead_s: NDArray[np.float64]
    activation_s: NDArray[np.float64] | None


def link_times(nodes: NetworkDraw, model: ServedModel, prefill_overhead_s: float, token_overhead_s: float) -> LinkTimes:
    """Return what the links of a network mean for the times of servers.

    Raises `InputError` if links have a bandwidth and the model does not state its hidden size.
    """
    between_s = nodes.server_s_per_byte
    return LinkTimes(
        communication_s=_communication_s(nodes, model, prefill_overhead_s, token_overhead_s),
        orchestrator_rtt_s=nodes.rtt_s,
        rtt_s=nodes.server_rtt_s,
        overhead_s=np.tile([prefill_overhead_s, 0.0, token_overhead_s], (nodes.rtt_s.size, 1)),
        activation_s=None if between_s is None else model.activation_bytes * between_s,
    )


def _communication_s(
    nodes: NetworkDraw, model: ServedModel, prefill_overhead_s: float, token_overhead_s: float
) -> NDArray[np.float64]:
    """Return (J, 3) coefficients of the communication with each server.

    There is one round trip for the prefill and one for each further token, each with its overhead. The activations of
    each token cross the link twice, there and back.
    """
    rtt_s = nodes.rtt_s
    if nodes.s_per_byte is None:
        return np.column_stack([rtt_s + prefill_overhead_s, np.zeros(rtt_s.size), rtt_s + token_overhead_s])
    token_s = 2 * model.activation_bytes * nodes.s_per_byte
    return np.column_stack([rtt_s + prefill_overhead_s, token_s, rtt_s + token_overhead_s + token_s])
