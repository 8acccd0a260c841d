"""Clusters of servers of many kinds, drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hardware_profiles.clusters import link_times, require_overheads
from hardware_profiles.networks.draw import Network
from hardware_profiles.profile import GpuProfile
from system import RandomStreams, ServedModel, Servers
from system.checks import require, require_count
from system.limits import SERVERS


@dataclass(frozen=True, kw_only=True)
class MixedCluster:
    """J servers around an orchestrator, each of a random kind.

    The kinds are equally likely and drawn one by one. `conf/cluster/mixed.yaml` lists a GPU for each common size of
    memory; speeds follow from their data sheets:

    | GB | GPU | TFLOP/s (16 bit) | GB/s |
    |---|---|---|---|
    | 8 | RTX 3070 | 40.6 | 448 |
    | 12 | RTX 3060 | 25.5 | 360 |
    | 16 | T4 | 65 | 320 |
    | 24 | RTX 3090 | 71 | 936 |
    | 40 | A100 | 312 | 1555 |
    | 48 | A40 | 149.7 | 696 |
    | 80 | A100 | 312 | 1935 |
    """

    deterministic: ClassVar[bool] = False

    network: Network
    profiles: Sequence[GpuProfile]
    server_count: int  # J
    prefill_overhead_s: float  # once per visit
    token_overhead_s: float  # per further output token

    def __post_init__(self) -> None:
        require_count(SERVERS, server_count=self.server_count)
        require(len(self.profiles) > 0, "profiles", list(self.profiles), "name at least one kind of server")
        require_overheads(self.prefill_overhead_s, self.token_overhead_s)

    def draw(self, model: ServedModel, streams: RandomStreams) -> Servers:
        """Return the servers of one draw.

        Their kinds and round trips are the first ones of a larger cluster with the same seed.
        """
        nodes = self.network.draw(self.server_count, streams.cluster("network"))
        kinds = streams.cluster("types").integers(len(self.profiles), size=self.server_count).tolist()
        gpus = [self.profiles[kind] for kind in kinds]
        block_s = np.array([gpu.block_coefficients_s(model) for gpu in self.profiles])
        curves = [gpu.batch_curve(model) for gpu in self.profiles]
        return Servers(
            memory_gb=np.array([gpu.memory_gb for gpu in gpus], dtype=np.float64),
            block_s=block_s[kinds],
            names=tuple(f"{node} ({gpu.name})" for node, gpu in zip(nodes.names, gpus, strict=True)),
            batch_curves=tuple(curves[kind] for kind in kinds),
            cost_per_hour=np.array([gpu.cost_per_hour for gpu in gpus]),
            idle_w=np.array([gpu.idle_w for gpu in gpus]),
            busy_w=np.array([gpu.busy_w for gpu in gpus]),
            **link_times(nodes, model, self.prefill_overhead_s, self.token_overhead_s),
            gpu_memory_gb=np.array([gpu.memory_gb for gpu in gpus]),
            gpu_tflops=np.array([gpu.prefill_tflops for gpu in gpus]),
        )
