"""Ways of a job through all blocks, found by their prices.

A way s has a time T_s and, at prices of servers, a price P_s. What matters of it grows with both, so the ways in
question are vertices of the lower hull of all points (T, P). A vertex minimises P + θ T for some θ, which is a knapsack
over servers and blocks.
"""

from math import fsum
from typing import NamedTuple

import numpy as np

from evaluators.queueing.certificate.hosts import Floats, Hosts, Ints
from system.code.compiler import compiled

NEGLIGIBLE = 1e-9  # relative improvement


class Way(NamedTuple):
    """A way to run all blocks: its time, and per type the share of one server and the blocks run."""

    time_s: float
    shares: Floats  # (T,)
    blocks: Ints  # (T,)

    @property
    def key(self) -> tuple[float, bytes]:
        """Return what tells ways apart that differ as columns."""
        return self.time_s, self.shares.tobytes()


class Priced(NamedTuple):
    """A way as a point: its time and its price."""

    time_s: float
    price: float
    way: Way


def cheapest_way(hosts: Hosts, cost: Floats) -> Way | None:
    """Return a way of least cost.

    `cost` (T, L + 1) is that of running k blocks at a server of each type. None if servers cannot run all blocks.
    """
    copies, blocks = hosts.copies, hosts.block_count
    least, chosen = np.empty((2, blocks + 1)), np.zeros((int(copies.sum()), blocks + 1), np.int64)
    if not np.isfinite(_fill(cost, hosts.most, copies, least, chosen)):
        return None
    shares, run = np.zeros(copies.size), np.zeros(copies.size, np.int64)
    return Way(_read(hosts.time_s, hosts.share, copies, chosen, shares, run), shares, run)


@compiled
def _fill(cost: Floats, most: Ints, copies: Ints, least: Floats, chosen: Ints) -> float:
    """Return the least cost of all blocks.

    `chosen` (servers, L + 1) gets the blocks that each server runs if it and those before it run b blocks in all.
    """
    blocks = least.shape[1] - 1
    now, row = 0, 0
    for b in range(blocks + 1):
        least[0, b] = 0.0 if b == 0 else np.inf
    for kind in range(copies.size):
        for _ in range(copies[kind]):
            before, now = now, 1 - now
            for b in range(blocks + 1):
                least[now, b] = least[before, b]
            for k in range(1, most[kind] + 1):
                for b in range(k, blocks + 1):
                    candidate = least[before, b - k] + cost[kind, k]
                    if candidate < least[now, b]:
                        least[now, b] = candidate
                        chosen[row, b] = k
            row += 1
    return least[now, blocks]


@compiled
def _read(time_s: Floats, share: Floats, copies: Ints, chosen: Ints, shares: Floats, run: Ints) -> float:
    """Return the time of the way in `chosen`.

    `shares` and `run` get its shares and blocks by type.
    """
    row, b, total_s = chosen.shape[0], chosen.shape[1] - 1, 0.0
    for kind in range(copies.size - 1, -1, -1):
        for _ in range(copies[kind]):
            row -= 1
            k = chosen[row, b]
            b -= k
            total_s += time_s[kind, k]
            shares[kind] += share[kind, k]
            run[kind] += k
    return total_s


class Line(NamedTuple):
    """A line that no way is below: of_time T + of_price P >= value for all ways."""

    of_time: float
    of_price: float
    value: float

    def corner(self, other: "Line") -> tuple[float, float]:
        """Return the time and the price at which two lines meet."""
        scale = self.of_time * other.of_price - other.of_time * self.of_price
        time_s = (self.value * other.of_price - other.value * self.of_price) / scale
        return time_s, (self.of_time * other.value - other.of_time * self.value) / scale


class Pricing:
    """All ways at given prices: vertices of their hull, and the least T_s (α + P_s) of any way.

    `known` is that of a way that is known already; what is not below it is not searched.
    """

    def __init__(self, hosts: Hosts, fastest: Way, alpha: float, prices: Floats, known: float = np.inf) -> None:
        self._hosts, self._alpha, self._prices, self.least = hosts, alpha, prices, known
        self._price = prices[:, None] * np.where(np.isfinite(hosts.share), hosts.share, 0.0)
        self.ways: list[Way] = []
        quick, cheap = self._point(fastest), self._cheapest(0.0, 1.0)
        self._search(quick, cheap, Line(1.0, 0.0, quick.time_s), Line(0.0, 1.0, cheap.price))
        self.least *= 1 - 3 * NEGLIGIBLE

    def _search(self, quick: Priced, cheap: Priced, before: Line, after: Line) -> None:
        """Search for vertices between two points.

        Each is on a line that no way is below. T (α + P) is quasi-concave, so over the triangle between points and
        lines a corner has its minimum.
        """
        of_time, of_price = quick.price - cheap.price, cheap.time_s - quick.time_s
        is_one_point = of_time <= NEGLIGIBLE * quick.price or of_price <= NEGLIGIBLE * cheap.time_s
        if is_one_point or self._value(*before.corner(after)) >= self.least * (1 - NEGLIGIBLE):
            return
        middle = self._cheapest(of_time, of_price)
        between = Line(of_time, of_price, of_time * middle.time_s + of_price * middle.price)
        if between.value < (of_time * quick.time_s + of_price * quick.price) * (1 - NEGLIGIBLE):
            self._search(quick, middle, before, between)
            self._search(middle, cheap, between, after)

    def _cheapest(self, of_time: float, of_price: float) -> Priced:
        way = cheapest_way(self._hosts, of_time * self._hosts.time_s + of_price * self._price)
        assert way is not None  # there is a fastest way
        return self._point(way)

    def _point(self, way: Way) -> Priced:
        point = Priced(way.time_s, fsum(self._prices * way.shares), way)
        self.ways.append(way)
        self.least = min(self.least, self._value(point.time_s, point.price))
        return point

    def _value(self, time_s: float, price: float) -> float:
        return time_s * (self._alpha + price)
