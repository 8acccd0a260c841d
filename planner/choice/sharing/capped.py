"""The largest rate under an SLO that is also no more than servers compute, for many layouts of the same servers."""

from dataclasses import dataclass

from planner.choice.quantity import Quantity, RateUnderSlo, quantity_of
from planner.choice.sharing.computation import work_rate_per_s
from planner.results import Plan
from system import Composition


@dataclass(frozen=True)
class CappedRate(RateUnderSlo):
    """The rate by equation (2), at most the rate that servers compute.

    The latter was simulated for a plan. For other layouts it is that of the plan times the ratio of their estimates.
    """

    most_per_s: float = 0.0  # of the plan
    work_per_s: float = 1.0  # the plan's estimate

    def limit(self, composition: Composition) -> float:
        """Return an upper bound (1/s); raise as for equation (2)."""
        return min(super().limit(composition), self.computed_per_s(composition))

    def value(self, composition: Composition, to_beat: float | None = None) -> float | None:
        """Return the rate (1/s), or None if it does not beat `to_beat`."""
        computed_per_s = self.computed_per_s(composition)
        if to_beat is not None and computed_per_s <= to_beat:
            return None
        by_slots = super().value(composition, to_beat)
        return None if by_slots is None else min(by_slots, computed_per_s)

    def computed_per_s(self, composition: Composition) -> float:
        """Return about the rate (1/s) that the servers of a layout compute."""
        return self.most_per_s * work_rate_per_s(composition) / self.work_per_s


def quantity_of_plan(plan: Plan, seed: int = 0) -> Quantity:
    """Return the quantity by which a plan is compared with layouts like it."""
    quantity, computation = quantity_of(plan.inventory, seed), plan.computation
    if computation is None or computation.largest_rate_per_s is None or not isinstance(quantity, RateUnderSlo):
        return quantity
    fields = {name: getattr(quantity, name) for name in ("quantile", "slo_s", "workload", "service", "seed")}
    return CappedRate(**fields, most_per_s=computation.largest_rate_per_s, work_per_s=work_rate_per_s(plan.composition))
