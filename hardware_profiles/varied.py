"""Clusters whose size and distances are drawn at random, to try a method on many different systems."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hardware_profiles.clusters import Cluster
from system import RandomStreams, ServedModel, Servers
from system.checks import require, require_at_most, require_count, require_positive
from system.limits import SERVERS

COMMUNICATION = ("communication_s", "orchestrator_rtt_s", "rtt_s", "overhead_s", "activation_s")  # of `Servers`


@dataclass(frozen=True, kw_only=True)
class VariedCluster:
    """A cluster with a random number of servers, and communication times multiplied by a random factor.

    Both are log-uniform between the two given numbers, ends included; the number of servers is then rounded.
    """

    deterministic: ClassVar[bool] = False

    cluster: Cluster
    server_count: tuple[int, int]
    communication_factor: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("server_count", "communication_factor"):
            ends = getattr(self, name)
            require(len(ends) == 2 and ends[0] <= ends[1], name, ends, "give the least and the most, in this order")
        require_count(SERVERS, server_count=self.server_count[0])
        require_count(SERVERS, server_count=self.server_count[1])
        require_positive(communication_factor=self.communication_factor[0])
        require_at_most(1.0, communication_factor=self.communication_factor[1])

    def draw(self, model: ServedModel, streams: RandomStreams) -> Servers:
        """Return the servers of one draw."""
        rng = streams.cluster("varied")
        count = round(_log_uniform(rng, self.server_count))
        servers = replace(self.cluster, server_count=count).draw(model, streams)
        factor = _log_uniform(rng, self.communication_factor)
        times_s = {name: getattr(servers, name) for name in COMMUNICATION}
        return replace(servers, **{name: values * factor for name, values in times_s.items() if values is not None})


def _log_uniform(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    """Return a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(*np.log(ends))))
