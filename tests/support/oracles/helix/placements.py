"""The largest flow of tokens over all placements, by listing them, with the flows of networkx."""

from collections.abc import Iterator
from itertools import product

import networkx as nx

from algorithms.helix.program import Cluster

Range = tuple[int, int]  # first block, number of blocks


def largest_flow(cluster: Cluster) -> float:
    """Return the largest flow of tokens/s over all placements.

    A placement is left out if all its servers at full speed would not beat the best so far.
    """
    best = 0.0
    for ranges in product(*(list(_ranges(row, cluster.model_blocks)) for row in cluster.tokens_per_s.tolist())):
        work = sum(blocks * cluster.tokens_per_s[j, blocks] for j, (_, blocks) in enumerate(ranges))
        if work / cluster.model_blocks > best:
            best = max(best, flow_through(ranges, cluster))
    return best


def _ranges(rates: list[float], model_blocks: int) -> Iterator[Range]:
    yield 0, 0
    for blocks in range(1, len(rates)):
        if rates[blocks] > 0:
            yield from ((first, blocks) for first in range(model_blocks - blocks + 1))


def flow_through(ranges: tuple[Range, ...], cluster: Cluster) -> float:
    """Return the largest flow through a placement, with two nodes for each server."""
    graph, links = nx.DiGraph(), cluster.links_tokens_per_s
    graph.add_nodes_from(("source", "sink"))
    servers = [j for j, (_, blocks) in enumerate(ranges) if blocks]
    for j in servers:
        first, blocks = ranges[j]
        graph.add_edge(("in", j), ("out", j), capacity=cluster.tokens_per_s[j, blocks])
        if first == 0 and cluster.links[-1, j]:
            graph.add_edge("source", ("in", j), capacity=links[-1, j])
        if first + blocks == cluster.model_blocks and cluster.links[j, -1]:
            graph.add_edge(("out", j), "sink", capacity=links[j, -1])
        for i in servers:
            if i != j and cluster.links[i, j] and _goes_on(ranges[i], ranges[j], cluster.partial):
                graph.add_edge(("out", i), ("in", j), capacity=links[i, j])
    return float(nx.maximum_flow_value(graph, "source", "sink"))


def _goes_on(before: Range, after: Range, partial: bool) -> bool:
    """Return whether a server may follow another one."""
    done = sum(before)
    return after[0] <= done < sum(after) if partial else after[0] == done
