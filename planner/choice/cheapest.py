"""The cheapest servers that meet an SLO: all choices where they are few, else a greedy one.

Servers of a group are identical, so a choice is a number of servers of each group.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from evaluators.queueing.floor import fastest_chain_s
from planner.choice.candidates import NO_VALUE, best
from planner.choice.quantity import ResponseTime, response_time
from planner.inventory.goals import Cheapest
from planner.inventory.inventory import Inventory
from system import InfeasibleError, InputError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_CHOICES = 500  # beyond, the search is greedy
GREEDY_PLACED = 4000  # servers placed, over all c tried, for each choice of the greedy search


def choices(inventory: Inventory) -> int:
    """In how many ways numbers of servers can be chosen."""
    return int(np.prod(np.unique(inventory.groups, return_counts=True)[1] + 1.0))


def is_exhaustive(inventory: Inventory) -> bool:
    """Whether every choice is tried, or they are too many and servers are given up greedily."""
    return choices(inventory) <= MOST_CHOICES


def cheapest_members(inventory: Inventory, goal: Cheapest, seed: int = 0) -> Ints:
    """Numbers of the servers of the cheapest choice that meets the SLO; of equally cheap ones the fastest.

    Greedily: from all servers on, the dearest are given up as long as the rest meets the SLO at one of some values of
    c. That need not lead to the cheapest choice. Raises `InfeasibleError` if the SLO is not met.
    """
    if inventory.cost_per_hour is None:
        raise InputError("goal = cheapest: needs cost_per_hour for every server")
    search = _Subsets(inventory, inventory.cost_per_hour, goal, response_time(inventory, seed))
    return search.exhaustive() if is_exhaustive(inventory) else search.greedy()


class _Subsets:
    """The choices of one inventory, as numbers of servers of each group."""

    def __init__(self, inventory: Inventory, cost_per_hour: Floats, goal: Cheapest, quantity: ResponseTime) -> None:
        self.inventory, self.goal, self.quantity = inventory, goal, quantity
        _, first, self.available = np.unique(inventory.groups, return_index=True, return_counts=True)
        self.cost = cost_per_hour[first]  # of one server
        self.in_group = [np.flatnonzero(inventory.groups == inventory.groups[j]) for j in first]

    def exhaustive(self) -> Ints:
        """By ascending cost; the first that meets the SLO, against its equals in cost."""
        winner, least_s, price = None, np.inf, np.inf
        for cost, counts in self._by_cost():
            if winner is not None and cost > price:
                break
            value_s = np.inf if self._is_hopeless(counts) else self._value_s(counts)
            if value_s <= self.goal.slo_s and value_s < least_s:
                winner, least_s, price = counts, value_s, cost
        return self._members(self._checked(winner))

    def greedy(self) -> Ints:
        """Whole groups, then ever fewer servers at once, of the dearest first, as long as the rest meets the SLO."""
        counts = self._checked(self.available if self._value_s(self.available) <= self.goal.slo_s else None)
        step = int(self.available.max())
        while step >= 1:
            for group in np.argsort(-self.cost, kind="stable"):
                counts = self._thinned(counts, group, step)
            step //= 2
        return self._members(counts)

    def _thinned(self, counts: Ints, group: int, step: int) -> Ints:
        """The choice with `step` servers less of a group, again and again while that meets the SLO."""
        while counts[group] >= step and counts.sum() > step:
            fewer = counts.copy()
            fewer[group] -= step
            if self._value_s(fewer, max(10, GREEDY_PLACED // int(counts.sum()))) > self.goal.slo_s:
                break
            counts = fewer
        return counts

    def _by_cost(self) -> list[tuple[float, Ints]]:
        every = [np.array(counts) for counts in product(*(range(n + 1) for n in self.available)) if any(counts)]
        return sorted(((float(np.round(self.cost @ counts, 9)), counts) for counts in every), key=lambda item: item[0])

    def _value_s(self, counts: Ints, most: int | None = None) -> float:
        """The least quantile on these servers, over so many c; infinite where nothing fits or carries the rate."""
        try:
            return best(self.inventory.only(self._members(counts)), self.quantity, most).value
        except NO_VALUE:
            return np.inf

    def _is_hopeless(self, counts: Ints) -> bool:
        """Whether no composition can do: the fastest chain there could be is too slow, or all memory has too few slots.

        Known only under the theory.
        """
        if not self.quantity.is_exact:
            return False
        system = self.inventory.only(self._members(counts)).system(self.quantity.rate_per_s)
        alone_s = fastest_chain_s(system)
        too_few_slots = system.pooled_jobs(system.model.block_count) <= self.quantity.rate_per_s * alone_s
        return bool(too_few_slots or alone_s * -np.log(1 - self.goal.quantile) > self.goal.slo_s)

    def _members(self, counts: Ints) -> Ints:
        """The first so many servers of each group."""
        return np.sort(np.concatenate([group[:n] for group, n in zip(self.in_group, counts, strict=True)]))

    def _checked(self, counts: Ints | None) -> Ints:
        """Raise if there is no choice that meets the SLO."""
        if counts is not None:
            return counts
        value_s = best(self.inventory, self.quantity).value
        raise InfeasibleError(
            f"slo_s = {self.goal.slo_s:g}: no choice of servers meets it at {self.quantity.rate_per_s:g}/s; all "
            f"{len(self.inventory.servers)} together reach {value_s:.4g} s; raise slo_s, lower the rate or add servers"
        )
