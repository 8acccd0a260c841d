"""Chains of equal servers to be timed, as layouts of a small model."""

from dataclasses import replace

import numpy as np

from hardware_profiles.profiler.engines.scope import Split
from system.composition import Composition
from system.models.decoder import Decoder, served_model
from system.placement import Placement
from system.servers import Servers
from system.system import System

ANY_S, ANY_JOB = 1e-3, (1.0, 16.0, 16.0)  # no time is predicted with them


def chain_of(split: Split, decoder: Decoder, slots: int, slot_tokens: int, rtt_s: float = 0.0) -> Composition:
    """Return one chain over which the first blocks of a decoder are spread evenly.

    It serves `slots` requests at a time, each of up to `slot_tokens` tokens.
    """
    model = served_model(replace(decoder, block_count=split.blocks), slot_tokens)
    share, rest = divmod(split.blocks, split.servers)
    blocks = np.array([share + (j < rest) for j in range(split.servers)], np.int64)
    servers = Servers(
        memory_gb=2.0 * blocks.astype(np.float64) * (model.block_memory_gb + slots * model.cache_memory_gb),
        communication_s=np.full(split.servers, rtt_s),
        block_s=np.full(split.servers, ANY_S),
        orchestrator_rtt_s=np.full(split.servers, rtt_s),
    )
    system, placement = System(model, servers, 1.0, ANY_JOB), Placement(np.cumsum(blocks) - blocks, blocks)
    hops = np.arange(split.servers), blocks, np.array([0, split.servers])
    return Composition.of_hops(system, placement, *hops, np.array([slots]))
