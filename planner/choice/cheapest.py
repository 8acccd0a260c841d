"""The cheapest servers that meet an SLO.

Servers of a group are identical, so a choice is a number of servers for each group. Few choices are all tried; many are
searched greedily.
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

MOST_CHOICES = 500  # with more, the search is greedy
GREEDY_PLACED = 4000  # servers placed for one choice of the greedy search, summed over all c tried


def choices(inventory: Inventory) -> int:
    """Return in how many ways numbers of servers can be chosen."""
    return int(np.prod(np.unique(inventory.groups, return_counts=True)[1] + 1.0))


def is_exhaustive(inventory: Inventory) -> bool:
    """Return whether the choices are few enough to try them all."""
    return choices(inventory) <= MOST_CHOICES


def cheapest_members(inventory: Inventory, goal: Cheapest, seed: int = 0) -> Ints:
    """Return the numbers of the servers of the cheapest choice that meets the SLO.

    Of several equally cheap choices it is the fastest. The greedy search begins with all servers and drops the most
    expensive ones as long as the others meet the SLO at one of several values of c; that need not lead to the cheapest
    choice.

    Raises `InfeasibleError` if the SLO cannot be met, and `InputError` if the servers have no costs.
    """
    if inventory.cost_per_hour is None:
        raise InputError("goal = cheapest: the servers have no costs; give cost_per_hour for every server")
    search = _Subsets(inventory, inventory.cost_per_hour, goal, response_time(inventory, seed))
    return search.exhaustive() if is_exhaustive(inventory) else search.greedy()


class _Subsets:
    """The choices of one inventory, each an array with the number of servers of every group."""

    def __init__(self, inventory: Inventory, cost_per_hour: Floats, goal: Cheapest, quantity: ResponseTime) -> None:
        self.inventory, self.goal, self.quantity = inventory, goal, quantity
        _, first, self.available = np.unique(inventory.groups, return_index=True, return_counts=True)
        self.cost = cost_per_hour[first]  # of one server
        self.in_group = [np.flatnonzero(inventory.groups == inventory.groups[j]) for j in first]

    def exhaustive(self) -> Ints:
        """Return the fastest of the cheapest choices that meet the SLO."""
        winner, least_s, price = None, np.inf, np.inf
        for cost, counts in self._by_cost():
            if winner is not None and cost > price:
                break
            value_s = np.inf if self._is_hopeless(counts) else self._value_s(counts)
            if value_s <= self.goal.slo_s and value_s < least_s:
                winner, least_s, price = counts, value_s, cost
        return self._members(self._checked(winner))

    def greedy(self) -> Ints:
        """Drop servers, the most expensive first, as long as the others meet the SLO.

        Whole groups are tried first, then ever smaller numbers of servers.
        """
        counts = self._checked(self.available if self._value_s(self.available) <= self.goal.slo_s else None)
        step = int(self.available.max())
        while step >= 1:
            for group in np.argsort(-self.cost, kind="stable"):
                counts = self._thinned(counts, group, step)
            step //= 2
        return self._members(counts)

    def _thinned(self, counts: Ints, group: int, step: int) -> Ints:
        """Remove `step` servers of a group repeatedly while the others meet the SLO."""
        while counts[group] >= step and counts.sum() > step:
            fewer = counts.copy()
            fewer[group] -= step
            if self._value_s(fewer, max(10, GREEDY_PLACED // int(counts.sum()))) > self.goal.slo_s:
                break
            counts = fewer
        return counts

    def _by_cost(self) -> list[tuple[float, Ints]]:
        """Return all choices with their costs, the cheapest first."""
        all_counts = [np.array(counts) for counts in product(*(range(n + 1) for n in self.available)) if any(counts)]
        costs = [float(np.round(self.cost @ counts, 9)) for counts in all_counts]
        return sorted(zip(costs, all_counts, strict=True), key=lambda item: item[0])

    def _value_s(self, counts: Ints, most: int | None = None) -> float:
        """Return the least quantile on these servers over at most `most` values of c.

        It is infinite if the model does not fit or the rate cannot be carried.
        """
        try:
            return best(self.inventory.only(self._members(counts)), self.quantity, most).value
        except NO_VALUE:
            return np.inf

    def _is_hopeless(self, counts: Ints) -> bool:
        """Return whether it is certain that no composition meets the SLO.

        The fastest possible chain is too slow, or all the memory together has too few cache slots. Only the theory can
        tell, and only for hops over the hub.
        """
        if not self.quantity.is_exact or self.inventory.forwarding != "hub":
            return False
        system = self.inventory.only(self._members(counts)).system(self.quantity.rate_per_s)
        alone_s = fastest_chain_s(system)
        too_few_slots = system.pooled_jobs(system.model.block_count) <= self.quantity.rate_per_s * alone_s
        return bool(too_few_slots or alone_s * -np.log(1 - self.goal.quantile) > self.goal.slo_s)

    def _members(self, counts: Ints) -> Ints:
        """Return the numbers of the first servers of each group, as many as chosen."""
        return np.sort(np.concatenate([group[:n] for group, n in zip(self.in_group, counts, strict=True)]))

    def _checked(self, counts: Ints | None) -> Ints:
        """Return the choice; raise if there is none that meets the SLO."""
        if counts is not None:
            return counts
        value_s = best(self.inventory, self.quantity).value
        raise InfeasibleError(
            f"slo_s = {self.goal.slo_s:g}: no choice of servers meets it at {self.quantity.rate_per_s:g} requests/s; "
            f"with every server in use, P{100 * self.goal.quantile:g} of the response time is {value_s:.4g} s; raise "
            "slo_s, lower the rate or add servers"
        )
