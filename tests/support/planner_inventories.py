"""Small made-up inventories for the tests of the planner."""

import numpy as np

from planner.inventory.goals import Goal
from planner.inventory.inventory import Inventory
from system import ServedModel, Servers
from workloads.arrivals import ArrivalProcess, Poisson
from workloads.synthetic import SyntheticWorkload

MODEL = ServedModel(
    "small model",
    block_count=12,
    block_memory_gb=1.0,
    cache_memory_gb=0.1,
    cache_tokens=2048,
    prefill_gflop=1.0,
    decode_read_gb=1.0,
    hidden_size=1024,
)
KINDS = {"large": (16.0, 0.1), "middle": (9.0, 0.2), "small": (5.5, 0.3)}  # GB, seconds a block
COST = {"large": 3.0, "middle": 1.5, "small": 0.7}
VISIT_S, RTT_S = 0.05, 0.04


def small_inventory(
    counts: dict[str, int], goal: Goal, rate_per_s: float | None = None, arrivals: ArrivalProcess | None = None
) -> Inventory:
    """Return an inventory with the given number of servers of each kind.

    Service times do not depend on the lengths of a request.
    """
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    names = tuple(f"{kind} {n}" for kind, count in counts.items() for n in range(count))
    memory_gb, block_s = np.array([KINDS[kind] for kind in kinds]).T
    servers = Servers(
        memory_gb=memory_gb,
        communication_s=np.full(memory_gb.size, VISIT_S),
        block_s=block_s,
        names=names,
        orchestrator_rtt_s=np.full(memory_gb.size, RTT_S),
    )
    return Inventory(
        model=MODEL,
        family="llama",
        weights="16 bit",
        cache="16 bit",
        derivation=(),
        servers=servers,
        gpus=tuple(kinds),
        groups=np.array([list(counts).index(kind) for kind in kinds]),
        cost_per_hour=np.array([COST[kind] for kind in kinds]),
        workload=SyntheticWorkload(arrivals or Poisson(), 30_000, input_tokens=1, output_tokens=1),
        rate_per_s=rate_per_s,
        goal=goal,
    )


def uneven_inventory(server_count: int, goal: Goal, rate_per_s: float | None = None) -> Inventory:
    """Return an inventory of servers with different memories, block times and visit times."""
    rng = np.random.default_rng(server_count)
    servers = Servers(
        memory_gb=rng.uniform(5, 16, server_count),
        communication_s=rng.uniform(0.02, 0.2, server_count),
        block_s=rng.uniform(0.1, 0.3, server_count),
        names=tuple(f"server {n}" for n in range(server_count)),
    )
    return Inventory(
        model=MODEL,
        family="llama",
        weights="16 bit",
        cache="16 bit",
        derivation=(),
        servers=servers,
        gpus=("own numbers",) * server_count,
        groups=np.arange(server_count),
        cost_per_hour=None,
        workload=SyntheticWorkload(Poisson(), 30_000, input_tokens=1, output_tokens=1),
        rate_per_s=rate_per_s,
        goal=goal,
    )
