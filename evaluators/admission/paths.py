"""The path of a job: its slots, its servers and its times."""

import numpy as np
from numpy.typing import NDArray

from evaluators.admission.routes_state import Graph, Paths, Weights
from system.code.compiler import compiled

Ints = NDArray[np.int64]


@compiled
def fits(job: int, graph: Graph, paths: Paths, slots: Ints) -> bool:
    """Return whether every server of the job's path has slots for its blocks."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        if slots[graph.target[n]] < graph.blocks[n]:
            return False
    return True


@compiled
def take(job: int, graph: Graph, paths: Paths, slots: Ints) -> None:
    """Take the job's slots from every server of its path."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        slots[graph.target[n]] -= graph.blocks[n]


@compiled
def give_back(job: int, graph: Graph, paths: Paths, slots: Ints) -> None:
    """Give the job's slots back to every server of its path."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        slots[graph.target[n]] += graph.blocks[n]


@compiled
def charge(job: int, part: int, paths: Paths, weights: Weights) -> None:
    """Add a part of the job's work to the loads of its hops.

    Part 0 counts when the job starts, part 1 when it leaves.
    """
    work = weights.work[job if weights.work.shape[0] > 1 else 0, part]
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        weights.load[n] += work / weights.weight[n]


@compiled
def path_coefficients_s(graph: Graph, paths: Paths, job: int) -> tuple[float, float, float]:
    """Return the coefficients of the service time on the job's path."""
    once_s = input_token_s = output_token_s = 0.0
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        once_s += graph.coefficients_s[n, 0]
        input_token_s += graph.coefficients_s[n, 1]
        output_token_s += graph.coefficients_s[n, 2]
    return once_s, input_token_s, output_token_s


@compiled
def write_path(graph: Graph, paths: Paths, job: int, server: Ints, blocks: Ints) -> int:
    """Write the servers of the job's path and their blocks; return the hop count."""
    for h in range(paths.hops[job]):
        n = paths.link[job, h]
        server[h], blocks[h] = graph.target[n], graph.blocks[n]
    return paths.hops[job]
