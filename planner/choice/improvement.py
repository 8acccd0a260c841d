"""The search for a composition that serves the goal better than that of the best c.

The search compares compositions by the exact theory, and the goal decides among those that it finds. It needs jobs that
do not slow each other.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from algorithms.allocation.gca import gca
from algorithms.composition_search import progress_bar, search
from algorithms.composition_search.candidates import MANY
from planner.choice.candidates import NO_VALUE, Choice, best
from planner.choice.chains.for_users import fastest
from planner.choice.chains.own_chains import OwnChains
from planner.choice.chains.own_search import FEWEST_MOVES, MOVES, OwnSearch
from planner.choice.quantity import Quantity
from planner.choice.search_goal import SearchGoal
from planner.choice.speed import SpeedForUsers
from planner.inventory.inventory import Inventory
from planner.results import SAME, Search
from system import Placement, System

EVALUATIONS = 50_000  # of compositions, which takes a second or two
FEW = 40  # servers, beyond which a composition takes longer, and fewer are tried
EVALUATIONS_IN_CELLS = 500_000  # for so many servers that the search only changes a few chains in each evaluation
PREFIXES = 16  # numbers of chains that are tried, at most
SHORT = 0.2  # share of the evaluations in a short search


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
    if inventory.engine.own_servers:
        return max(MOVES * FEW // max(servers, FEW), FEWEST_MOVES)
    return EVALUATIONS_IN_CELLS if servers >= MANY else EVALUATIONS * FEW // max(servers, FEW)


def _searched(inventory: Inventory, quantity: Quantity, choice: Choice, evaluations: int, **options: Any) -> Choice:
    """Return the best composition that a search finds, if it beats the choice."""
    if inventory.engine.own_servers:
        return _searched_own(inventory, quantity, choice, evaluations)
    goal = SearchGoal(quantity, choice.value)
    system = inventory.system(quantity.rate_per_s or choice.value)
    try:
        composition = search(system, goal, evaluations=evaluations, **options).composition
    except NO_VALUE:
        return choice
    if abs(goal.best / choice.value - 1) <= SAME:
        return choice
    return _with_spare(system, quantity, replace(choice, composition=composition, value=goal.best))


def _searched_own(inventory: Inventory, quantity: Quantity, choice: Choice, moves: int) -> Choice:
    """Return the best chains that share no server, or the choice."""
    goal, system, best_found = (
        SearchGoal(quantity, choice.value),
        inventory.system(quantity.rate_per_s or choice.value),
        None,
    )
    own = OwnChains.of_engine(system, inventory)
    stages = goal.stages(system)
    for n, stage in enumerate(stages):
        search_at = OwnSearch(own, goal.prefix_values, stage, np.random.default_rng([0, n]), moves // len(stages))
        for composition in search_at.compositions(list(choice.composed)):
            with suppress(*NO_VALUE):
                goal(composition)
                best_found = composition
    if best_found is None or abs(goal.best / choice.value - 1) <= SAME:
        return choice
    return replace(choice, composition=best_found, value=goal.best)


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
