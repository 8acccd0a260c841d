"""The theory of requests that slow each other, written plainly: sums over dictionaries and roots by bisection."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from system import Composition

ROUNDS = 40


def _ways_s(chains: Composition, path: list[int]) -> list[np.ndarray]:
    """Return the coefficients of each way of a step along a path."""
    servers = chains.system.servers
    halves_s = [servers.communication_s[j] / 2 for j in path]
    if chains.system.forwarding == "hub":
        return 2 * halves_s
    links_s = []
    for i, j in pairwise(path):
        assert servers.rtt_s is not None
        one_way_s, token_s = (
            servers.rtt_s[i, j] / 2,
            0.0 if servers.activation_s is None else servers.activation_s[i, j],
        )
        overhead_s = 0.0 if servers.overhead_s is None else (servers.overhead_s[i] + servers.overhead_s[j]) / 2
        links_s.append(np.array([one_way_s, token_s, one_way_s + token_s]) + overhead_s)
    return [halves_s[0], *links_s, halves_s[-1]]


@dataclass
class PlainChains:
    """Chains with the times of the mean job: by chain and server, the seconds of a prompt and of a further token."""

    prompt_s: list[dict[int, float]]
    token_s: list[dict[int, float]]
    travel_s: list[tuple[float, float]]  # of the prompt and of a further token
    capacity: list[int]
    cv2: float
    tokens: float

    @staticmethod
    def of(chains: Composition, prompt_cv: float) -> "PlainChains":
        """Return the chains of a composition by equation (2)."""
        servers, (_, prompt, tokens) = chains.system.servers, chains.system.mean_job
        prompt_s, token_s, travel_s, spread_s = [], [], [], 0.0
        for servers_of, blocks, _, _ in chains.chains:
            steps = list(zip(servers_of, blocks, strict=True))
            b = servers.block_s
            prompt_s.append({j: m * (b[j, 0] + b[j, 1] * prompt) for j, m in steps})
            token_s.append({j: m * b[j, 2] for j, m in steps})
            ways_s = _ways_s(chains, list(servers_of))
            travel_s.append((sum(way[0] + way[1] * prompt for way in ways_s), sum(way[2] for way in ways_s)))
            spread_s += sum(m * b[j, 1] * prompt * prompt_cv for j, m in steps)
        cv2 = (spread_s / sum(sum(by_server.values()) for by_server in prompt_s)) ** 2
        return PlainChains(prompt_s, token_s, travel_s, chains.capacity.tolist(), cv2, tokens)

    def shared_s(self, k: int, other: int) -> float:
        """Return the time of another chain's prompt at the servers of chain k."""
        return sum(self.prompt_s[other].get(j, 0.0) for j in self.prompt_s[k])

    def pace(self, k: int, rates: list[float]) -> tuple[float, float]:
        """Return the times to the first token and to the end on chain k."""
        neighbours = [n for n in range(len(rates)) if n == k or self.shared_s(k, n) > 0]
        busy = {j: min(0.98, sum(rates[n] * self.prompt_s[n].get(j, 0) for n in neighbours)) for j in self.prompt_s[k]}
        none = math.prod(1 - share for share in busy.values())
        busiest, total = max(busy.values()), sum(rates[n] for n in neighbours)
        squares = {j: sum(rates[n] * self.prompt_s[n].get(j, 0) ** 2 for n in neighbours) for j in busy}
        queue_s = max(squares[j] * (1 + self.cv2) / 2 / (1 - busy[j]) for j in busy)
        longest_s = max(self.prompt_s[k].values())
        beyond = sum(rates[n] * max(self.shared_s(k, n) - longest_s, 0) ** 2 for n in neighbours)
        first_s = self.travel_s[k][0] + sum(self.prompt_s[k].values()) + queue_s
        first_s += self.cv2 / 2 * beyond / (1 - busiest)
        alone_s = self.travel_s[k][1] + sum(self.token_s[k].values())
        round_s = alone_s
        for j, token_s in self.token_s[k].items():
            used = sum(rates[n] * self.token_s[n].get(j, 0) for n in range(len(rates)))
            share = min(0.98, self.tokens * used / none)
            round_s += share / (1 - share) * token_s**2 / alone_s
        if total == 0 or none == 1:
            return first_s, first_s + self.tokens * round_s
        gap_s = (1 - none) / (total * none)
        stretched = min(0.99, total * none * gap_s**2 / round_s * (1 - math.exp(-round_s / gap_s)))
        mean_s = busiest / total
        rest_s = max(sum(rates[n] * self.shared_s(k, n) for n in neighbours) / total - mean_s, 0)
        behind_s = busiest * (mean_s + queue_s) + total * rest_s**2 / (1 + total * rest_s)
        behind_s = min(behind_s, (1 - none) * gap_s) * math.exp(-self.travel_s[k][1] / gap_s)
        return first_s, first_s + (self.tokens * round_s + behind_s) / (1 - stretched)

    def occupied_per_s(self, k: int, rates: list[float]) -> list[float]:
        """Return the rates of chain k with 1, 2, ... jobs, beside the others."""
        most = math.inf
        for j in self.prompt_s[k]:
            others = sum(
                rates[n] * (self.prompt_s[n].get(j, 0) + self.tokens * self.token_s[n].get(j, 0))
                for n in range(len(rates))
                if n != k
            )
            work_s = self.prompt_s[k][j] + self.tokens * self.token_s[k][j]
            most = min(most, max(0.03, 1 - others) / work_s) if work_s > 0 else most

        def service_s(own: float) -> float:
            return self.pace(k, [own if n == k else rate for n, rate in enumerate(rates)])[1]

        occupied: list[float] = []
        for n in range(self.capacity[k]):
            low, high = 0.0, min(1.5 * most, n / service_s(0.0))
            for _ in range(40):
                middle = (low + high) / 2
                low, high = (middle, high) if middle * service_s(middle) < n else (low, middle)
            occupied.append(max([*occupied[-1:], min((n + 1) / service_s(high), most)]))
        return occupied

    def full_per_s(self) -> float:
        """Return the rate at which full chains serve together."""
        rates = [0.0] * len(self.capacity)
        for _ in range(ROUNDS):
            after = [self.occupied_per_s(k, rates)[-1] for k in range(len(rates))]
            rates = [(before + rate) / 2 for before, rate in zip(rates, after, strict=True)]
        return sum(after)

    def without_queue(self, arrival_per_s: float) -> tuple[float, float]:
        """Return the share of lost jobs and the mean number of jobs.

        No job waits.
        """
        rates = [0.0] * len(self.capacity)
        for _ in range(ROUNDS):
            left, after, jobs = arrival_per_s, [], 0.0
            for k in range(len(rates)):
                weights = np.cumprod([1.0, *(left / rate for rate in self.occupied_per_s(k, rates))])
                weights /= weights.sum()
                jobs += float(weights @ np.arange(weights.size))
                after.append(left * (1 - weights[-1]))
                left *= float(weights[-1])
            rates = [(before + rate) / 2 for before, rate in zip(rates, after, strict=True)]
        return left / arrival_per_s, jobs
