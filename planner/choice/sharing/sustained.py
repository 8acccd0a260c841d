"""The composition and the rate that servers sustain if they share their computation among requests.

Equation (2) proposes: the best c, the searched composition, and the values of c with the most spare computation. The
step simulator decides among these finalists.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from planner.choice.candidates import NO_VALUE, Choice
from planner.choice.prediction import loaded
from planner.choice.quantity import Quantity, RateUnderSlo, value_or_none
from planner.choice.sharing.computation import (
    SharedComputation,
    never_meet,
    paired_difference_s,
    shared_computation,
    work_rate_per_s,
)
from planner.inventory.inventory import Inventory
from planner.results import MUCH, PROMISED, SAME, WORTH, Computation, Prediction
from system import Composition, InfeasibleError, InputError, UnstableError
from system.response import JobTimes

FINALISTS, FINALISTS_OF_MANY = 3, 1  # beside the choice by equation (2)
MANY = 100  # servers


@dataclass(frozen=True)
class Sustained:
    """A choice whose rate servers sustain, and what is known of their computation."""

    choice: Choice
    computation: Computation | None


def best_sustained(
    inventory: Inventory, choice: Choice, quantity: Quantity, quantiles: tuple[float, ...], seed: int = 0
) -> Sustained:
    """Return the finalist that serves the goal best where requests share the servers.

    Where requests share no server, or nothing is known of shared computation, it is the choice itself. Raises
    `InfeasibleError` or `UnstableError` as simulations do.
    """
    shared = None if never_meet(choice.composition) else shared_computation(inventory, seed)
    if shared is None:
        return Sustained(choice, None)
    try:
        return _Finals(shared, quantity, quantiles, inventory.engine.name).of(choice)
    except (InfeasibleError, UnstableError):
        raise
    except InputError:  # such as layouts that steps cannot follow, or traces with parts of tokens
        return Sustained(choice, None)


@dataclass(frozen=True)
class _Finals:
    """The comparison of a few compositions by simulation."""

    shared: SharedComputation
    quantity: Quantity
    quantiles: tuple[float, ...]
    engine: str

    def of(self, choice: Choice) -> Sustained:
        return self._of_rate(choice) if isinstance(self.quantity, RateUnderSlo) else self._of_time(choice)

    def _of_rate(self, choice: Choice) -> Sustained:
        """Return the finalist with the largest rate.

        A rate is the smaller one of equation (2) and of what is promised of the simulated one.
        """
        assert isinstance(self.quantity, RateUnderSlo)
        limits = self.quantity.quantile, self.quantity.slo_s
        best, to_beat_per_s = None, 0.0
        for bound_per_s, saturation_per_s, finalist in self._by_bound(choice):
            if bound_per_s <= to_beat_per_s:
                break
            carried_per_s = self.shared.rate_in_time_per_s(finalist.composition, *limits, to_beat_per_s, bound_per_s)
            if carried_per_s is not None:
                # At the bound the search stopped, and the servers may carry more.
                most_per_s = saturation_per_s if carried_per_s == bound_per_s else carried_per_s
                best = finalist, saturation_per_s, most_per_s, carried_per_s
                to_beat_per_s = carried_per_s * (1 + WORTH)
        if best is None:
            raise InfeasibleError(
                f"slo_s = {limits[1]:g}: even rare requests take longer where they share servers; raise slo_s"
            )
        finalist, saturation_per_s, most_per_s, carried_per_s = best
        largest_per_s = PROMISED * carried_per_s
        prediction = self._prediction(finalist.composition, largest_per_s)
        computation = Computation(self.engine, saturation_per_s, prediction, finalist.value, PROMISED * most_per_s)
        return Sustained(replace(finalist, value=min(finalist.value, largest_per_s)), computation)

    def _by_bound(self, choice: Choice) -> list[tuple[float, float, Choice]]:
        """Return the finalists with bounds of their carried rates and rates of full queues."""
        finalists = []
        for finalist in (choice, *self._others(choice)):
            value = finalist.value if finalist is choice else value_or_none(self.quantity, finalist.composition)
            if value is not None and value > 0:
                saturation_per_s = self.shared.saturation_rate_per_s(finalist.composition)
                bound_per_s = min(value / PROMISED, saturation_per_s)
                finalists.append((bound_per_s, saturation_per_s, replace(finalist, value=value)))
        return sorted(finalists, key=lambda item: item[0], reverse=True)

    def _of_time(self, choice: Choice) -> Sustained:
        """Return the finalist with the least time.

        Below half of the rate of full queues it is the choice.
        """
        rate_per_s = self.quantity.rate_per_s
        assert rate_per_s is not None
        saturation_per_s = self.shared.saturation_rate_per_s(choice.composition)
        if rate_per_s <= MUCH * saturation_per_s:
            return Sustained(choice, Computation(self.engine, saturation_per_s, None))
        best, times, others = choice, self._times(choice, choice, rate_per_s), self._others(choice)
        for other in others:
            of_other = self._times(other, choice, rate_per_s)
            if self._is_better(of_other, times):
                best, times = other, of_other
        if times is None:
            return self._strongest(choice, others, saturation_per_s)
        if best is not choice:
            saturation_per_s = self.shared.saturation_rate_per_s(best.composition)
            best = self._valued(best)
        prediction = self._prediction(best.composition, rate_per_s)
        return Sustained(best, Computation(self.engine, saturation_per_s, prediction))

    def _is_better(self, other: JobTimes | None, best: JobTimes | None) -> bool:
        if other is None or best is None:
            return best is None and other is not None
        gain_s, spread_s = paired_difference_s(best, other, self.quantity.quantile)
        return gain_s > spread_s and gain_s > WORTH * best.mean_s("response")

    def _strongest(self, choice: Choice, others: list[Choice], saturation_per_s: float) -> Sustained:
        """Return the finalist with the largest rate of full queues; none sustains the rate."""
        best = choice
        for other in others:
            of_other = self.shared.saturation_rate_per_s(other.composition)
            if of_other > saturation_per_s * (1 + WORTH):
                best, saturation_per_s = self._valued(other), of_other
        return Sustained(best, Computation(self.engine, saturation_per_s, None))

    def _valued(self, finalist: Choice) -> Choice:
        """Return a finalist with its own value by equation (2)."""
        value = self.quantity.value(finalist.composition)
        assert value is not None  # as it has nothing to beat
        return replace(finalist, value=value)

    def _times(self, finalist: Choice, first: Choice, rate_per_s: float) -> JobTimes | None:
        """Return the times of the jobs that suit the first finalist.

        It is None if they do not leave as fast as they come.
        """
        with suppress(UnstableError):
            return self.shared.times(loaded(finalist.composition, rate_per_s), first.composition)
        return None

    def _prediction(self, composition: Composition, rate_per_s: float) -> Prediction | None:
        with suppress(UnstableError):
            return self.shared.prediction(loaded(composition, rate_per_s), self.quantiles)
        return None

    def _others(self, choice: Choice) -> list[Choice]:
        """Return further finalists.

        They are the best c by equation (2), and other c by an estimate.
        """
        count = FINALISTS_OF_MANY if len(choice.composition.system.servers) >= MANY else FINALISTS
        ranked = [composition for _, composition in sorted(self._ranked(choice), key=lambda item: item[0])]
        if choice.search is not None:
            ranked = [choice.composed[choice.search.best_c], *ranked]
        different: list[Composition] = []
        for composition in ranked:
            if composition is not choice.composition and all(composition is not other for other in different):
                different.append(composition)
        return [_of_c(choice, composition) for composition in different[:count]]

    def _ranked(self, choice: Choice) -> Iterator[tuple[float, Composition]]:
        """Yield the compositions of all c with a score; less is better.

        A time is that by equation (2) over the share of the servers' computation that is spare. A rate, negated, is the
        smaller one of the bound by equation (2) and of that at which this time reaches the SLO.
        """
        for composition in choice.composed.values():
            with suppress(*NO_VALUE):
                limit, work_per_s = self.quantity.limit(composition), work_rate_per_s(composition)
                if isinstance(self.quantity, RateUnderSlo):
                    alone_s = -np.log(self.quantity.late) * composition.mean_service_s[0]
                    yield -min(limit, work_per_s * max(1 - alone_s / self.quantity.slo_s, 0.0)), composition
                elif self.quantity.rate_per_s is not None:
                    yield limit / max(1 - self.quantity.rate_per_s / work_per_s, SAME), composition


def _of_c(choice: Choice, composition: Composition) -> Choice:
    """Return the choice of another c, which no search computation."""
    c, search = composition.placement.reserved_capacity, choice.search
    if search is not None:
        search = replace(search, best_c=c, is_better=False)
    return replace(choice, composition=composition, search=search)
