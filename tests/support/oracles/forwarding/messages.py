"""The time of a path message by message, and random systems whose links all differ."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from system import System
from tests.support.oracles.instances import random_system


def linked_system(rng: np.random.Generator, server_count: int, forwarding: str = "direct") -> System:
    """Return a random system whose round trips, overheads and bandwidths all differ."""
    system = random_system(rng, server_count)
    count = (server_count, 1)
    overhead_s = rng.uniform(0, 0.05, count) * [1, 0, 1]
    orchestrator_s, byte_s = rng.uniform(0.01, 0.3, count), rng.uniform(0, 1e-3, count)
    servers = replace(
        system.servers,
        communication_s=overhead_s + orchestrator_s * [1, 0, 1] + 2 * byte_s * [0, 1, 1],
        orchestrator_rtt_s=orchestrator_s[:, 0],
        rtt_s=rng.uniform(0.01, 0.6, (server_count, server_count)),
        overhead_s=overhead_s,
        activation_s=rng.uniform(0, 1e-3, (server_count, server_count)),
    )
    return replace(system, servers=servers, forwarding=forwarding)


def direct_path_s(system: System, path: Sequence[int], blocks: Sequence[int], job: Sequence[float]) -> float:
    """Return the time of a job on a path with direct hops.

    The prompt and each further token go from the orchestrator to the first server, from server to server, and back.
    """
    servers, (_, input_tokens, further_tokens) = system.servers, job
    total_s = sum(m * float(servers.block_s[j] @ np.asarray(job)) for j, m in zip(path, blocks, strict=True))
    for tokens, overhead in ((input_tokens, 0), *((1.0, 2) for _ in range(round(further_tokens)))):
        for before, after in zip((None, *path), (*path, None), strict=True):
            if before is None or after is None:
                j = after if before is None else before
                own_s = servers.overhead_s[j, overhead]
                byte_s = servers.communication_s[j, 1] / 2
                total_s += servers.orchestrator_rtt_s[j] / 2 + own_s / 2 + tokens * byte_s
            else:
                own_s = servers.overhead_s[before, overhead] + servers.overhead_s[after, overhead]
                total_s += servers.rtt_s[before, after] / 2 + own_s / 2 + tokens * servers.activation_s[before, after]
    return total_s
