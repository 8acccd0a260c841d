"""The authors' simulator in plain Python: how it draws a run, and what its proposed scheme makes of the run.

It follows their code (load_balance_llm_simulator, commit 058ff0d, version 4 of the comparison scripts) step by step,
with everything in which that differs from the paper. It shares no algorithm with the harness. Times are in seconds;
servers and blocks are counted from 0.
"""

import csv
from collections import defaultdict
from functools import cache
from math import floor, inf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from system import ServedModel, Servers, System

SERVER_COUNTS = (10, 20, 30, 40)
FAST_SHARES = (0.1, 0.2, 0.3, 0.4)
FIRST_SEED = 42
JOB_COUNT = 300
RATE_PER_S = 0.2
INPUT_TOKENS, OUTPUT_TOKENS = 2000, 20
REQUEST_DELAY_S = 0.07
LARGEST_CAPACITY = 50
CACHE_GB = 2 * 14336 * (INPUT_TOKENS + OUTPUT_TOKENS) * 2 / 1e9
MODEL = ServedModel("bloom_176b", 70, 1.32, CACHE_GB, INPUT_TOKENS + OUTPUT_TOKENS, 5.0, 1.32, hidden_size=14336)


class Run(NamedTuple):
    """A run as the simulator draws it."""

    seed: int
    anchors: tuple[str, ...]  # (J + 1,), the client first, then the servers by their round trip to it
    rtt_s: np.ndarray  # (J + 1, J + 1), between these anchors
    fast: np.ndarray  # (J,), whether each server is of the fast kind
    system: System
    arrival_s: np.ndarray  # (300,)
    size: np.ndarray  # (300,)


class Blocks(NamedTuple):
    """The blocks of each server, and the number of complete chains K."""

    first: list[int]
    count: list[int]
    chains: int


class PublishedChain(NamedTuple):
    """A chain with its capacity and its time for the mean job."""

    servers: list[int]
    capacity: int
    time_s: float


class Result(NamedTuple):
    """What the simulator reports of the proposed scheme."""

    mean_s: float
    capacity: int  # c
    chains: int  # K
    left: int  # jobs that still waited after the last arrival


@cache
def read_network(path: Path) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Return the anchors, their median latencies and their synthetic round trips."""
    rows = defaultdict(list)
    with path.open() as file:
        for row in csv.DictReader(file):
            rows[int(row["anchor_id"])].append(row)
    numbers = sorted(rows)
    latencies = [[float(row[f"latency_m{i}"]) for row in rows[n] for i in (1, 2, 3, 4)] for n in numbers]
    median_s = np.array([np.median(values) for values in latencies]) / 1e3
    latitude, longitude = (np.radians([float(rows[n][0][key]) for n in numbers]) for key in ("latitude", "longitude"))
    half = np.sin((latitude[None] - latitude[:, None]) / 2) ** 2
    half += np.cos(latitude[:, None]) * np.cos(latitude[None]) * np.sin((longitude[None] - longitude[:, None]) / 2) ** 2
    distance_km = 6371 * 2 * np.arctan2(np.sqrt(half), np.sqrt(1 - half))
    rtt_s = 0.3 * median_s[:, None] + 0.3 * median_s[None] + 1e-5 * distance_km
    np.fill_diagonal(rtt_s, 0)
    return tuple(str(n) for n in numbers), median_s, rtt_s


def draw_run(path: Path, servers: int, fast_share: float, run: int) -> Run:
    """Return run number `run` (from 1) of a cell.

    `path` is the file of RIPE Atlas anchors. numpy's `RandomState` gives the numbers of MATLAB's generator. One stream
    draws the servers, the gaps and the sizes.
    """
    cell = SERVER_COUNTS.index(servers) + 1, FAST_SHARES.index(fast_share) + 1
    seed = FIRST_SEED + 10_000 * cell[0] + 1_000 * cell[1] + run
    rng = np.random.RandomState(seed)
    names, median_s, rtt_s = read_network(path)
    client, *others = np.argsort(median_s, kind="stable").tolist()
    shuffled = np.array(others)[np.argsort(rng.random_sample(len(others)), kind="stable")]
    chosen = shuffled[:servers]
    chosen = chosen[np.argsort(rtt_s[client, chosen], kind="stable")]
    anchors = np.concatenate([[client], chosen])
    gaps_s = -np.log(rng.random_sample(JOB_COUNT)) / RATE_PER_S
    gaps_s[0] = 0
    size = -np.log(rng.random_sample(JOB_COUNT))
    fast = np.arange(servers) < floor(servers * fast_share)
    rtt_s = rtt_s[np.ix_(anchors, anchors)]
    system = System(MODEL, servers_of(rtt_s[0, 1:], fast), RATE_PER_S, (1.0, INPUT_TOKENS, OUTPUT_TOKENS - 1.0))
    return Run(seed, tuple(names[n] for n in anchors), rtt_s, fast, system, np.cumsum(gaps_s), size)


def servers_of(rtt_s: np.ndarray, fast: np.ndarray) -> Servers:
    """Return the simulator's servers, with 50 ms for each visit."""
    none = np.zeros(fast.size)
    per_token_s = np.where(fast, 5 / 156, 5 / 78) / 1e3, np.where(fast, 1.32 / 1.02, 1.32 / 0.51) / 1e3
    block_s = np.column_stack([none + 1e-3, *per_token_s])
    return Servers(np.where(fast, 40.0, 20.0), np.column_stack([rtt_s + 0.05, none, rtt_s]), block_s)


def place_blocks(system: System, c: int) -> Blocks:
    """Return GBP-CR's placement, in which chains do not overlap.

    The last server of a chain hosts only the blocks that the chain lacks. A server is not added to an open chain if the
    unused servers together cannot complete the chain.
    """
    model, count = system.model, len(system.servers)
    most = [floor(gb / (model.block_memory_gb + model.cache_memory_gb * c)) for gb in system.servers.memory_gb.tolist()]
    visit_s = [system.communication_s[j] + system.block_s[j] * most[j] for j in range(count)]
    order = sorted((j for j in range(count) if most[j] > 0), key=lambda j: visit_s[j] / most[j])
    first, hosted, done, chains = [0] * count, [0] * count, 0, 0
    for position, j in enumerate(order):
        if done > 0 and sum(most[i] for i in order[position:]) < model.block_count - done:
            break
        first[j], hosted[j] = done, min(most[j], model.block_count - done)
        done += hosted[j]
        if done == model.block_count:
            chains, done = chains + 1, 0
    return Blocks(first, hosted, chains)


def allocate(system: System, blocks: Blocks, first_hop_free: bool = True) -> list[PublishedChain]:
    """Return GCA's chains, whose hops cost what all blocks of the server cost.

    A server leaves the graph as a whole. In the published code the first hop of a path is free while it is searched.
    """
    count, cache_gb = len(system.servers), system.model.cache_memory_gb
    hosting = [j for j in range(count) if blocks.count[j] > 0]
    end = [first + hosted for first, hosted in zip(blocks.first, blocks.count, strict=True)]
    free_gb = [
        gb - system.model.block_memory_gb * m
        for gb, m in zip(system.servers.memory_gb.tolist(), blocks.count, strict=True)
    ]
    job_gb = [cache_gb * m for m in blocks.count]
    time_s = [system.communication_s[j] + system.block_s[j] * blocks.count[j] for j in range(count)]
    chains = []
    while True:
        present = [j for j in hosting if free_gb[j] >= job_gb[j]]
        path = _shortest_path(present, blocks.first, end, time_s, system.model.block_count, first_hop_free)
        if not path:
            return chains
        capacity = min(floor(free_gb[j] / job_gb[j]) for j in path)
        chains.append(PublishedChain(path, capacity, sum(time_s[j] for j in path)))
        for j in path:
            free_gb[j] -= capacity * job_gb[j]


def _shortest_path(
    servers: list[int], first: list[int], end: list[int], time_s: list[float], block_count: int, first_hop_free: bool
) -> list[int]:
    """Return Dijkstra's shortest path through all blocks; empty if there is none."""
    length_s = {j: 0.0 if first_hop_free else time_s[j] for j in servers if first[j] == 0}
    before: dict[int, int] = {}
    unseen = set(servers)
    while reached := [j for j in unseen if j in length_s]:
        i = min(reached, key=lambda j: (length_s[j], j))
        unseen.remove(i)
        for j in unseen:
            if first[j] <= end[i] < end[j] and length_s[i] + time_s[j] < length_s.get(j, inf):
                length_s[j], before[j] = length_s[i] + time_s[j], i
    last = [j for j in length_s if end[j] == block_count]
    if not last:
        return []
    path = [min(last, key=lambda j: (length_s[j], j))]
    while path[0] in before:
        path.insert(0, before[path[0]])
    return path


def estimated_mean_s(system: System, chains: list[PublishedChain]) -> float:
    """Return the estimate of the mean response time that chooses c.

    It is infinite if the simulator refuses c.
    """
    rate, share = system.arrival_rate_per_s, system.target_load
    total = sum(chain.capacity / chain.time_s for chain in chains)
    if not chains or total < rate / share:
        return inf
    order = sorted(range(len(chains)), key=lambda k: chains[k].time_s)
    time_s = [chains[k].time_s for k in order]
    capacity = [chains[k].capacity for k in order]
    left, mean_s = rate, 0.0
    for k in range(len(chains)):
        taken = min(left, share * capacity[k] / time_s[k])
        mean_s += taken / rate * time_s[k]
        left -= taken
    mean_s += left / rate * time_s[-1]
    ratio, slots = time_s[-1] / time_s[0], sum(capacity)
    # The published code indexes the sorted capacities by the order of sorting once more.
    slow = sum(capacity[order[k]] for k in range(len(chains)) if time_s[k] > 1.3 * time_s[0]) / slots
    if ratio > 1.3 and slow > 0.3:
        mean_s *= 1 + 0.15 * (ratio - 1.3) * slow
    load = rate / total
    queueing = load / ((1 - load) * slots) * (0.3 if len(chains) == 1 else 1)
    return mean_s * (1 + queueing)


def choose_capacity(system: System, first_hop_free: bool = True) -> int | None:
    """Return the c with the least estimate; None if every c is refused."""
    room_gb = system.servers.memory_gb.max() - system.model.block_memory_gb
    best, least_s = None, inf
    for c in range(1, min(floor(room_gb / system.model.cache_memory_gb), LARGEST_CAPACITY) + 1):
        blocks = place_blocks(system, c)
        if blocks.chains == 0:
            continue
        estimate_s = estimated_mean_s(system, allocate(system, blocks, first_hop_free))
        if estimate_s < least_s:
            best, least_s = c, estimate_s
    return best


def serve(
    arrival_s: np.ndarray, size: np.ndarray, chains: list[PublishedChain], delay_s: float = REQUEST_DELAY_S
) -> tuple[np.ndarray, int]:
    """Return each job's response time under JFFC, and the jobs left in the queue.

    Chains and the queue are looked at only when a job arrives. After the last arrival each job that still waits starts
    when the first of all jobs in service ends, on that chain, and no job counts it.
    """
    fastest_first = sorted(range(len(chains)), key=lambda k: chains[k].time_s)
    ends_s: list[list[float]] = [[] for _ in chains]
    queue: list[int] = []
    response_s = np.empty(len(arrival_s))

    def start(job: int, k: int, now_s: float) -> None:
        end_s = now_s + chains[k].time_s * size[job] + delay_s
        ends_s[k].append(end_s)
        response_s[job] = end_s - arrival_s[job]

    for job, now_s in enumerate(arrival_s.tolist()):
        ends_s = [[end_s for end_s in ends if end_s > now_s] for ends in ends_s]
        queue.append(job)
        while queue:
            free = [k for k in fastest_first if len(ends_s[k]) < chains[k].capacity]
            if not free:
                break
            start(queue.pop(0), free[0], now_s)
    for job in queue:
        k = min(range(len(chains)), key=lambda k: min(ends_s[k]))
        start(job, k, min(ends_s[k]))
    return response_s, len(queue)


def proposed(run: Run) -> Result:
    """Return what the simulator reports of the proposed scheme in a run."""
    c = choose_capacity(run.system)
    assert c is not None, "the published code then takes the c with the largest rate; no published run needs that"
    blocks = place_blocks(run.system, c)
    response_s, left = serve(run.arrival_s, run.size, allocate(run.system, blocks))
    return Result(float(response_s.mean()), c, blocks.chains, left)
