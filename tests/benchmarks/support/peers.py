"""The same systems in other libraries and in plain Python.

The code for a library is written as its users would write it.
"""

import heapq
import random
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

import ciw
import networkx as nx
import numpy as np
import simpy

from system import Placement, System
from tests.benchmarks.support.four_chains import Queue


def simpy_responses_s(queue: Queue, job_count: int, seed: int) -> list[float]:
    """Return response times from SimPy, in order of completion.

    Free slots are in a `PriorityStore`, the fastest on top. Requests to an empty store wait in order of arrival.
    """
    rng = random.Random(seed)
    env = simpy.Environment()
    free = simpy.PriorityStore(env)
    free.items = [(k, n) for k, capacity in enumerate(queue.capacity) for n in range(capacity)]
    responses_s: list[float] = []

    def job() -> Iterator[simpy.Event]:
        arrival_s = env.now
        slot = yield free.get()
        yield env.timeout(rng.expovariate(queue.rate_per_s[slot[0]]))
        yield free.put(slot)
        responses_s.append(env.now - arrival_s)

    def arrivals() -> Iterator[simpy.Event]:
        for _ in range(job_count):
            yield env.timeout(rng.expovariate(queue.arrival_rate_per_s))
            env.process(job())

    env.process(arrivals())
    env.run()
    return responses_s


class _ServiceOfSlot(ciw.dists.Distribution):
    """Exponential service times with the rate of the server that serves the customer."""

    def __init__(self, slot_rates_per_s: Sequence[float]) -> None:
        self.slot_rates_per_s = slot_rates_per_s

    def sample(self, t: float | None = None, ind: ciw.individual.Individual | None = None) -> float:
        return random.expovariate(self.slot_rates_per_s[ind.server.id_number - 1])


def ciw_responses_s(queue: Queue, job_count: int, seed: int) -> list[float]:
    """Return response times from Ciw, in order of arrival.

    The network is one node with a server for each slot, numbered from the fastest. Its server priority function takes
    the free server with the lowest number. Its one queue is first come, first served.
    """
    slot_rates = np.repeat(queue.rate_per_s, queue.capacity).tolist()
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(queue.arrival_rate_per_s)],
        service_distributions=[_ServiceOfSlot(slot_rates)],
        number_of_servers=[len(slot_rates)],
        server_priority_functions=[lambda server, customer: server.id_number],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(job_count, method="Finish")
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    return [record.exit_date - record.arrival_date for record in records]


def heap_responses_s(queue: Queue, job_count: int, seed: int) -> list[float]:
    """Return response times from a plain loop over a heap.

    The heap holds completions. Response times are in the order in which jobs start.
    """
    rng = random.Random(seed)
    free = list(queue.capacity)
    waiting: deque[float] = deque()
    completions: list[tuple[float, int]] = []
    responses_s: list[float] = []
    arrival_s, arrived = rng.expovariate(queue.arrival_rate_per_s), 0
    while arrived < job_count or completions:
        if completions and (arrived == job_count or completions[0][0] <= arrival_s):
            now_s, k = heapq.heappop(completions)
            free[k] += 1
        else:
            now_s = arrival_s
            waiting.append(arrival_s)
            arrived += 1
            arrival_s += rng.expovariate(queue.arrival_rate_per_s)
        fastest = next((k for k, free_slots in enumerate(free) if free_slots), None)
        if waiting and fastest is not None:
            free[fastest] -= 1
            end_s = now_s + rng.expovariate(queue.rate_per_s[fastest])
            responses_s.append(end_s - waiting.popleft())
            heapq.heappush(completions, (end_s, fastest))
    return responses_s


def networkx_gca(system: System, placement: Placement) -> list[tuple[float, int]]:
    """Return (mean service time, capacity) of each chain.

    The chains are those of Alg. 2 as printed. Dijkstra's algorithm runs on a graph of servers for each chain.
    """
    graph, free = _routing_graph(system, placement), placement.cache_slots(system)
    chains = []
    with suppress(nx.NetworkXNoPath):
        while True:
            chains.append(_fill_shortest_path(graph, free))
    return chains


def _fill_shortest_path(graph: nx.DiGraph, free: np.ndarray) -> tuple[float, int]:
    """Fill the shortest path; return its time and capacity.

    The time is the mean service time of the chain. The slots of the chain are taken from `free`. Links that no longer
    fit are removed from the graph.
    """
    time_s, path = nx.single_source_dijkstra(graph, "start", "end", weight="time_s")
    blocks = {j: graph.edges[i, j]["blocks"] for i, j in pairwise(path[:-1])}
    capacity = min(int(free[j]) // blocks[j] for j in blocks)
    for j in blocks:
        free[j] -= capacity * blocks[j]
        graph.remove_edges_from([(i, j) for i, _, needed in graph.in_edges(j, data="blocks") if needed > free[j]])
    return time_s, capacity


def _routing_graph(system: System, placement: Placement) -> nx.DiGraph:
    """Return the graph of servers for routing.

    There is a link i -> j if server j hosts the block after the last block of server i and has slots for the blocks
    that it would run.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(["start", "end"])
    hosting = np.flatnonzero(placement.block_count).tolist()
    begin, end, slots = placement.first_block, placement.end_block, placement.cache_slots(system)
    for i, done in [("start", 0), *((i, end[i]) for i in hosting)]:
        for j in hosting:
            blocks = int(end[j] - done)
            if begin[j] <= done < end[j] and blocks <= slots[j]:
                time_s = system.communication_s[j] + system.block_s[j] * blocks
                graph.add_edge(i, j, blocks=blocks, time_s=time_s)
        if done == system.model.block_count:
            graph.add_edge(i, "end", blocks=0, time_s=0.0)
    return graph
