"""Branch and bound: the certificate for parts of the placements, of which the lowest holds for all.

A server that hosts at least `least` blocks has at most S_j(least) cache slots, also for jobs that run fewer blocks
there. One that hosts at most `most` blocks runs no more of any job. Both raise the bound of a part of the placements. A
server that has no cache slots beside its blocks counts as one that hosts none.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from evaluators.queueing.certificate.certificate import Certificate
from evaluators.queueing.certificate.hosts import Hosts, Ints, hosts_of, largest_hosted
from system.errors import InfeasibleError, UnstableError
from system.system import System

Division = tuple[int, int]  # a server, and the most blocks that it hosts in the lower half
OVERFULL = 1e-6  # share of a server by which jobs must exceed it for a division


@dataclass(frozen=True, order=True)
class Part:
    """The placements in which server j hosts between `least[j]` and `most[j]` blocks."""

    bound_s: float
    number: int  # of the part; it decides between equal bounds
    least: Ints = field(compare=False)  # (J,)
    most: Ints = field(compare=False)  # (J,)
    division: Division | None = field(compare=False)  # None: every server hosts a fixed number

    def halves(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield the least and most blocks of both halves."""
        if self.division is not None:
            server, largest = self.division
            one = np.arange(self.least.size) == server
            yield self.least, np.where(one, largest, self.most)
            yield np.where(one, largest + 1, self.least), self.most


def branched_response_s(system: System, branches: int) -> float:
    """Return the bound on the mean response time by parts.

    The part with the lowest bound is divided, at most `branches` times. Raises `InfeasibleError` or `UnstableError` if
    no composition is feasible or stable.
    """
    parts = [_part(system, np.zeros(len(system.servers), np.int64), largest_hosted(system))]
    for branch in range(branches):
        if not parts or parts[0].division is None:
            break
        whole = heapq.heappop(parts)
        for number, half in enumerate(whole.halves(), 2 * branch + 1):
            try:
                heapq.heappush(parts, _part(system, *half, whole.bound_s, number))
            except (InfeasibleError, UnstableError):
                continue  # no composition of this part is stable
    if not parts:
        raise UnstableError(
            f"arrival_rate_per_s = {system.arrival_rate_per_s:g}: no composition of these servers serves this rate; "
            "lower the rate or add servers"
        )
    return parts[0].bound_s


def _part(system: System, least: Ints, most: Ints, whole_s: float = 0.0, number: int = 0) -> Part:
    """Return a part, bounded by at least `whole_s`."""
    hosts = hosts_of(system, least, most, grouped=False)
    certificate = Certificate(hosts)
    bound_s = max(certificate.response(system.arrival_rate_per_s).bound_s, whole_s)
    jobs = float(np.ceil(system.arrival_rate_per_s * bound_s))
    return Part(bound_s, number, least, most, _division(hosts, certificate, jobs, least) or _middle(least, most))


def _division(hosts: Hosts, certificate: Certificate, jobs: float, least: Ints) -> Division | None:
    """Return the server to divide, and where.

    It is the server that jobs of the linear programme would exceed most if it hosted all the blocks that any of them
    runs there. None if they would exceed no server.
    """
    amounts, blocks = certificate.completion.ways_in_use(jobs)
    runs = (amounts > 0)[:, None] & (blocks > 0)
    largest = np.where(runs, blocks, 0).max(axis=0)
    used = (amounts[:, None] * blocks).sum(axis=0)
    per_block = hosts.share[np.arange(largest.size), largest] / np.maximum(largest, 1)
    server = int((used * per_block).argmax())
    if used[server] * per_block[server] <= 1 + OVERFULL:
        return None
    mean = np.average(blocks[:, server], weights=amounts * runs[:, server])
    return server, int(np.clip(mean, least[server], largest[server] - 1))


def _middle(least: Ints, most: Ints) -> Division | None:
    """Return the server with most choices, and their middle."""
    server = int((most - least).argmax())
    return (server, int(least[server] + most[server]) // 2) if most[server] > least[server] else None
