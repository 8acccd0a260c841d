"""Alg. 2 of the paper on the paper's graph, with servers as nodes and a general shortest-path routine."""

from typing import Any

import networkx as nx

from system import Chain, Placement, System

START, END = -1, -2


def gca(system: System, placement: Placement) -> list[Chain]:
    """Return the chains of Alg. 2 in the order of their discovery."""
    free = dict(enumerate(placement.cache_slots(system).tolist()))
    graph = _routing_graph(system, placement, free)
    chains = []
    while nx.has_path(graph, START, END):
        chains.append(_chain(graph, nx.dijkstra_path(graph, START, END)[1:-1], free))
        _fill(graph, chains[-1], free)
    return chains


def is_a_run(system: System, placement: Placement, chains: list[Chain]) -> bool:
    """Return whether Alg. 2 can find these chains in this order.

    The algorithm may take any of equally short paths.
    """
    free = dict(enumerate(placement.cache_slots(system).tolist()))
    graph = _routing_graph(system, placement, free)
    for chain in chains:
        if not nx.has_path(graph, START, END):
            return False
        shortest_s = nx.dijkstra_path_length(graph, START, END)
        if chain != _chain(graph, list(chain.servers), free) or chain.mean_service_s != shortest_s:
            return False
        _fill(graph, chain, free)
    return not nx.has_path(graph, START, END)


def _chain(graph: Any, servers: list[int], free: dict[int, int]) -> Chain:
    """Return the path through these servers, filled to capacity.

    The edge to the dummy end costs nothing.
    """
    edges = list(zip([START, *servers], servers, strict=False))
    blocks = [graph.edges[edge]["blocks"] for edge in edges]
    capacity = min(free[j] // m for j, m in zip(servers, blocks, strict=True))
    return Chain(tuple(servers), tuple(blocks), capacity, sum(graph.edges[edge]["weight"] for edge in edges))


def _fill(graph: Any, chain: Chain, free: dict[int, int]) -> None:
    """Take the chain's slots and drop the edges that no longer fit."""
    for j, blocks in zip(chain.servers, chain.blocks, strict=True):
        free[j] -= chain.capacity * blocks
    graph.remove_edges_from([(i, j) for i, j, m in graph.edges(data="blocks") if j != END and free[j] < m])


def _routing_graph(system: System, placement: Placement, free: dict[int, int]) -> "nx.DiGraph[int]":
    """Return the graph of servers, dummy start and dummy end.

    It has the edges (i, j) for which a_j <= a_i + m_i <= a_j + m_j - 1. Blocks are counted from 1; the dummy start has
    a = 0 and m = 1.
    """
    a, m = (placement.first_block + 1).tolist(), placement.block_count.tolist()
    next_needed = {START: 1} | {j: a[j] + m[j] for j in free if m[j] > 0}
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from([START, END])
    for i, needed in next_needed.items():
        for j in free:
            if a[j] <= needed <= a[j] + m[j] - 1:
                blocks = a[j] + m[j] - needed
                if free[j] >= blocks:
                    cost_s = float(system.communication_s[j] + system.block_s[j] * blocks)
                    graph.add_edge(i, j, weight=cost_s, blocks=blocks)
        if needed == system.model.block_count + 1:
            graph.add_edge(i, END, weight=0.0, blocks=0)
    return graph
