"""The paper's BLOOM-176B system at any size.

20 % of the servers are fast, the orchestrator is at a random place in Europe, and L = 70.
"""

import numpy as np

from algorithms.placement.gbp_cr import GbpCr
from hardware_profiles.clusters import Cluster
from hardware_profiles.networks.european import European
from hardware_profiles.profile import GpuProfile, read_profile
from system import Composition, Placement, RandomStreams, ServedModel, System

BLOOM_176B = ServedModel(
    name="bloom_176b",
    block_count=70,
    block_memory_gb=1.32,
    cache_memory_gb=0.11,
    cache_tokens=2048,
    prefill_gflop=5,
    decode_read_gb=1.32,
    hidden_size=14336,
)
MEAN_JOB = (1.0, 2000.0, 19.0)
RESERVED = 7  # the reserved capacity c


def paper_system(server_count: int, arrival_rate_per_s: float = 0.2) -> System:
    """Return the system of Sec. 4 with this many servers."""
    cluster = Cluster(
        network=European(),
        fast=_gpu("a100_3g_40gb"),
        slow=_gpu("a100_2g_20gb"),
        server_count=server_count,
        fast_share=0.2,
        prefill_overhead_s=0.018,
        token_overhead_s=0.018,
    )
    return System(BLOOM_176B, cluster.draw(BLOOM_176B, RandomStreams(seed=1)), arrival_rate_per_s, MEAN_JOB)


def gbp_cr_placement(system: System) -> Placement:
    """Return the placement of all servers by GBP-CR.

    Its chains reserve memory for seven jobs each.
    """
    return GbpCr()(system, RESERVED)


def overlapping_placement(system: System) -> Placement:
    """Return a placement with random block ranges.

    Each server hosts as many blocks as under GBP-CR. A range that would stick out of the model is moved inside.
    """
    block_count = gbp_cr_placement(system).block_count
    first_block = np.random.default_rng(1).integers(1 - block_count, system.model.block_count)
    return Placement(np.clip(first_block, 0, system.model.block_count - block_count), block_count)


def queue_at(composition: Composition, load: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Return λ at this load, μ and c of a composition."""
    return load * composition.total_rate_per_s, composition.service_rate_per_s, composition.capacity


def _gpu(name: str) -> GpuProfile:
    return GpuProfile(**{key: value for key, value in read_profile(name).items() if key != "_target_"})
