"""The search for a composition that serves the goal better than that of the best c.

The search compares compositions by the exact theory, and the goal decides among those that it finds. It needs jobs that
do not slow each other.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.composition_search import progress_bar, search
from algorithms.composition_search.candidates import MANY
from algorithms.composition_search.objective import BETTER, BURSTY, HIGHER, NO_SETTINGS, Stage
from evaluators.queueing.prefixes.means import prefix_means
from evaluators.queueing.prefixes.tails import prefix_tails
from planner.choice.candidates import NO_VALUE, Choice, best
from planner.choice.chains_for_users import fastest
from planner.choice.quantity import Quantity, RateUnderSlo
from planner.choice.speed import SpeedForUsers
from planner.inventory.inventory import Inventory
from planner.results import SAME, Search
from system import Composition, Placement, System
from system.errors import AccuracyError, InfeasibleError

EVALUATIONS = 50_000  # of compositions, which takes a second or two
FEW = 40  # servers, beyond which a composition takes longer, and fewer are tried
EVALUATIONS_IN_CELLS = 500_000  # for so many servers that the search only changes a few chains in each evaluation
PREFIXES = 16  # numbers of chains that are tried, at most
SHORT = 0.2  # share of the evaluations in a short search


@dataclass
class _Goal:
    """The goal as an objective of the search; a composition has a value only if it beats all before it."""

    finalists: ClassVar[int] = 20

    quantity: Quantity
    best: float  # so far

    @property
    def prefix_values(self) -> Callable[..., Any]:
        """Return the function that values prefixes of chains.

        It gives their means, or their shares of late jobs where the goal is an exact percentile or rate.
        """
        is_mean = self.quantity.quantile is None or not self.quantity.is_exact
        return prefix_means if is_mean else prefix_tails

    def stages(self, system: System) -> tuple[Stage, ...]:
        """Return the searches, as those of `algorithm=searched` for the same goal."""
        rate_per_s = system.arrival_rate_per_s
        if not self.quantity.is_exact:
            return tuple(Stage(factor * rate_per_s, NO_SETTINGS) for factor in BURSTY)
        if isinstance(self.quantity, RateUnderSlo):
            return tuple(Stage(factor * rate_per_s, np.array([self.quantity.slo_s], float)) for factor in HIGHER)
        if self.quantity.quantile is None:
            return (Stage(rate_per_s, NO_SETTINGS),)
        return tuple(Stage(rate_per_s, np.array([share * self.best])) for share in BETTER)

    def __call__(self, layout: Composition) -> float:
        """Return the value, with a minus if more is better.

        Raises `InfeasibleError` if it beats nothing.
        """
        try:
            value = self.quantity.value(layout, self.best) if self._is_promising(layout) else None
        except AccuracyError as error:
            raise InfeasibleError(str(error)) from error
        if value is None or not self._beats(value):
            raise InfeasibleError(f"not better than {self.best:.4g}")
        self.best = value
        return self.quantity.sign * value

    def _is_promising(self, layout: Composition) -> bool:
        return not self.quantity.is_exact or self._beats(self.quantity.limit(layout))

    def _beats(self, value: float) -> bool:
        return self.quantity.sign * value < self.quantity.sign * self.best


def improved(inventory: Inventory, quantity: Quantity) -> Choice:
    """Return a better composition if a search finds one, else the best c's.

    Gains of at most `SAME` do not count. Where requests slow each other, nothing is searched. Users have the fastest
    chains. Raises as `best` does.
    """
    if isinstance(quantity, SpeedForUsers):
        return fastest(inventory, quantity)
    by_c = best(inventory, quantity)
    if not inventory.service.is_independent:
        return by_c
    brief = _briefly(inventory, quantity, by_c)
    evaluations = _evaluations(inventory)
    with progress_bar(evaluations) as bar:
        result = _searched(inventory, quantity, brief, evaluations, progress=bar.update)
    report = Search(
        evaluations,
        by_c.composition.placement.reserved_capacity,
        by_c.value,
        is_better=result.composition is not by_c.composition,
        accuracy=abs(brief.value / result.value - 1),
    )
    return replace(result, search=report)


def shortly_improved(inventory: Inventory, quantity: Quantity, start: Placement) -> Choice:
    """Return what a search with a fifth of the evaluations finds.

    `start` is a further start. Raises as `best` does.
    """
    if isinstance(quantity, SpeedForUsers):
        return fastest(inventory, quantity)
    by_c = best(inventory, quantity)
    return _briefly(inventory, quantity, by_c, start) if inventory.service.is_independent else by_c


def _briefly(inventory: Inventory, quantity: Quantity, by_c: Choice, *further: Placement) -> Choice:
    return _searched(inventory, quantity, by_c, int(SHORT * _evaluations(inventory)), further=further)


def _evaluations(inventory: Inventory) -> int:
    servers = len(inventory.servers)
    return EVALUATIONS_IN_CELLS if servers >= MANY else EVALUATIONS * FEW // max(servers, FEW)


def _searched(inventory: Inventory, quantity: Quantity, choice: Choice, evaluations: int, **options: Any) -> Choice:
    """Return the best composition that a search finds, if it beats the choice."""
    goal = _Goal(quantity, choice.value)
    system = inventory.system(quantity.rate_per_s or choice.value)
    try:
        composition = search(system, goal, evaluations=evaluations, **options).composition
    except NO_VALUE:
        return choice
    if abs(goal.best / choice.value - 1) <= SAME:
        return choice
    return _with_spare(system, quantity, replace(choice, composition=composition, value=goal.best))


def _with_spare(system: System, quantity: Quantity, choice: Choice) -> Choice:
    """Return the most chains of the same placement that serve the goal as well.

    Slow chains hardly serve the goal, but they carry bursts; losses of at most `SAME` do not count.
    """
    chains = gca(system, choice.composition.placement)
    for count in np.unique(np.linspace(len(chains), len(choice.composition), PREFIXES).astype(int))[:0:-1].tolist():
        more = chains.only(range(count))
        with suppress(*NO_VALUE):
            value = quantity.value(more)
            if value is not None and abs(value / choice.value - 1) <= SAME:
                return replace(choice, composition=more, value=value)
    return choice
