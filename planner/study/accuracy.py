"""How well plan.py predicts measured points: each by efficiencies that were fitted without it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from planner.inventory.efficiency import Efficiency
from planner.inventory.inventory import Inventory
from planner.inventory.measured_points import MeasuredPoint, observations, public_points
from planner.inventory.reading import inventory_of
from system import Composition, Placement

WITHIN = 0.35  # error that counts as far off
FAMILY_OF_SEVERAL = "several machines"


@dataclass(frozen=True)
class PredictedPoint:
    """A measured point and its prediction, in tokens/s."""

    point: MeasuredPoint
    family: str  # of its device
    predicted_per_s: float

    @property
    def error(self) -> float:
        """Return how much faster the prediction is than the measurement, relatively."""
        return self.predicted_per_s / self.point.tokens_per_s - 1


def leave_one_out(points: Sequence[MeasuredPoint] | None = None) -> list[PredictedPoint]:
    """Return all points with the predictions by fits to the other points."""
    observed = observations()
    return [
        PredictedPoint(
            point,
            observed[point.name].family if point.name in observed else FAMILY_OF_SEVERAL,
            predicted_per_s(point, efficiency_without(point)),
        )
        for point in (public_points() if points is None else points)
    ]


def efficiency_without(point: MeasuredPoint) -> Efficiency:
    """Return the efficiencies of a point's engine by all other points."""
    others = tuple(observed for name, observed in observations().items() if name != point.name)
    return Efficiency(point.source.engine, others)


def predicted_per_s(point: MeasuredPoint, efficiency: Efficiency) -> float:
    """Return the tokens/s of one user that a plan for a point's inventory predicts."""
    inventory = inventory_of(point.inventory, Path(), efficiency)
    return 1 / token_s(inventory, point.blocks or [inventory.model.block_count])


def token_s(inventory: Inventory, blocks: Sequence[int]) -> float:
    """Return the time of a further token on one chain over all servers.

    `blocks` are those of each server.
    """
    split = np.array(blocks)
    placement = Placement(np.cumsum(split) - split, split)
    ends = np.array([0, split.size])
    system = inventory.system(1e-6)
    chain = Composition.of_hops(system, placement, np.arange(split.size), split, ends, np.ones(1, np.int64))
    return float(chain.job_coefficients_s[0, 2])


def summary(comparisons: Sequence[PredictedPoint]) -> str:
    """Return the median error and the share of points that are not far off."""
    errors = np.abs([comparison.error for comparison in comparisons])
    return (
        f"{errors.size} points: the median error is {np.median(errors):.1%}, and {np.mean(errors <= WITHIN):.1%} are "
        f"within {WITHIN:.0%}"
    )


def table(comparisons: Sequence[PredictedPoint]) -> Iterator[str]:
    """Yield a Markdown table with a row for each engine and family."""
    yield "| engine | devices | points | median error | nine in ten within |"
    yield "|---|---|---|---|---|"
    groups: dict[tuple[str, str], list[float]] = {}
    for comparison in comparisons:
        key = (comparison.point.source.engine, comparison.family.replace("_", " "))
        groups.setdefault(key, []).append(abs(comparison.error))
    for (engine, family), errors in sorted(groups.items()):
        within = np.quantile(errors, 0.9)
        yield f"| {engine} | {family} | {len(errors)} | {np.median(errors):.0%} | {within:.0%} |"
