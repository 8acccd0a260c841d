"""Alg. 1 of the paper line by line, and exhaustive searches for checking Theorem 2."""

import math
from collections.abc import Iterator
from itertools import combinations

from system import System


def gbp_cr(system: System, c: int, enough_rate_per_s: float = math.inf) -> tuple[list[int], list[int], list[float]]:
    """Return a_j, m_j, and the mean time of each chain in the order formed.

    a_j is counted from 1, and is 0 for servers without blocks.
    """
    model, server_count = system.model, len(system.servers)
    m, amortised_s, t = [0] * server_count, [math.inf] * server_count, [0.0] * server_count
    for j in range(server_count):
        fitting = system.servers.memory_gb[j] / (model.block_memory_gb + model.cache_memory_gb * c)
        m[j] = min(math.floor(fitting * (1 + 1e-12)), model.block_count)
        t[j] = system.communication_s[j] + system.block_s[j] * m[j]
        if m[j] > 0:
            amortised_s[j] = t[j] / m[j]
    first, hosted, chains_s = [0] * server_count, [0] * server_count, []
    a, chain_s, rate = 1, 0.0, 0.0
    for j in sorted(range(server_count), key=lambda j: (amortised_s[j], j)):
        if m[j] == 0:
            continue
        first[j], hosted[j] = min(a, model.block_count - m[j] + 1), m[j]
        chain_s += t[j]
        a = min(a + m[j] - 1, model.block_count) + 1
        if a > model.block_count:
            chains_s.append(chain_s)
            rate += 1 / chain_s
            if rate >= enough_rate_per_s:
                break
            a, chain_s = 1, 0.0
    return first, hosted, chains_s


def largest_rates(visit_s: list[float], servers_per_chain: int) -> list[float]:
    """Return the largest total rates of K disjoint chains, by K from 0 on.

    The search covers all ways to form chains of `servers_per_chain` servers each.
    """
    best = [0.0] * (len(visit_s) // servers_per_chain + 1)
    for chains in _disjoint_chains(tuple(range(len(visit_s))), servers_per_chain):
        rate = sum(1 / sum(visit_s[j] for j in chain) for chain in chains)
        best[len(chains)] = max(best[len(chains)], rate)
    return best


def _disjoint_chains(servers: tuple[int, ...], size: int) -> Iterator[list[tuple[int, ...]]]:
    """Yield every set of disjoint groups of `size` servers.

    The first server is in no group, or in one group with some others.
    """
    yield []
    if len(servers) < size:
        return
    for rest in _disjoint_chains(servers[1:], size):
        if rest:
            yield rest
    for others in combinations(servers[1:], size - 1):
        remaining = tuple(j for j in servers[1:] if j not in others)
        for rest in _disjoint_chains(remaining, size):
            yield [(servers[0], *others), *rest]


def optimum(system: System, c: int) -> tuple[int, float] | None:
    """Return the fewest disjoint chains that reach λ/(ρ̄c), and their largest total rate.

    The search labels every server with its chain, or with 0 if it is in none. A chain's time counts all of its servers.
    Returns None if no chains reach the rate.
    """
    model, server_count = system.model, len(system.servers)
    best: tuple[int, float] | None = None
    per_block_gb = model.block_memory_gb + model.cache_memory_gb * c
    m = [min(math.floor(gb / per_block_gb * (1 + 1e-12)), model.block_count) for gb in system.servers.memory_gb]
    t = [system.communication_s[j] + system.block_s[j] * m[j] for j in range(server_count)]
    for labels in _labellings(server_count):
        chains = [[j for j in range(server_count) if labels[j] == k] for k in range(1, max(labels) + 1)]
        if any(sum(m[j] for j in chain) < model.block_count for chain in chains):
            continue
        rate = sum(1 / sum(t[j] for j in chain) for chain in chains)
        if rate * c >= system.required_rate_per_s and (best is None or (-len(chains), rate) > (-best[0], best[1])):
            best = len(chains), rate
    return best


def _labellings(server_count: int) -> Iterator[tuple[int, ...]]:
    """Yield all labellings: 0 for no chain; chains are numbered by first server."""
    if server_count == 0:
        yield ()
        return
    for labels in _labellings(server_count - 1):
        for label in range(max(labels, default=0) + 2):
            yield (*labels, label)
