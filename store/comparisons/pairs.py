"""Paired differences of two points on the same clusters and jobs, paired by draw.

The replications of a draw are averaged, and the mean difference has Student's interval over draws. If a draw of one of
two points is refused or lacks the metric, they are not compared over the other draws; the comparison has a reason
instead. Points of different numbers of draws are compared over the draws that both have. The value of a point in which
nothing varies between draws is compared with every draw of the other.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from store.tables.filtered import require_known
from store.tables.reading import Measure, Results
from store.tables.statistics import holm, mean_interval, p_value
from system.checks import require
from system.words import counted


class Side(NamedTuple):
    """A point's values by draw, or the reason why they cannot be compared.

    Where `varies` is False, nothing varies between draws, and draw 0 stands for all.
    """

    by_draw: pd.Series
    reason: str = ""
    varies: bool = True

    def in_draws_of(self, other: "Side") -> "Side":
        """Return the side, a single value repeated for each draw."""
        if self.varies or not other.varies or self.by_draw.empty:
            return self
        return self._replace(by_draw=pd.Series(self.by_draw.iloc[0], index=other.by_draw.index))


class Paired(NamedTuple):
    """Comparison of B with A over their draws, or only the reason why there is none."""

    mean_a: float = np.nan
    mean_b: float = np.nan
    difference: float = np.nan  # mean of B - A
    half_width: float = np.nan  # of the 95 % interval of the difference; nan for a single pair
    ratio: float = np.nan  # mean of B over mean of A
    pairs: int = 0
    unpaired: int = 0  # draws that only one side has, which are left out
    p: float = np.nan  # two-sided p-value of the difference; nan for a single pair
    varies: bool = True  # False if nothing varies between draws on either side
    reason: str = ""


def no_side(reason: str) -> Side:
    """Return the side of a point that cannot be compared."""
    return Side(pd.Series(dtype=float), reason)


def sides(results: Results, measure: Measure) -> dict[str, Side]:
    """Return the side of each point.

    If a draw of a point lacks the metric, its side is a reason.
    """
    rows, points = results
    is_measured = rows["metric"].eq(measure.metric) & (measure.at is None or np.isclose(rows["at"], measure.at))
    values = rows[is_measured].dropna(subset="value").groupby(["point", "draw"])["value"].mean()
    by_point = {point: of_point.droplevel("point") for point, of_point in values.groupby(level="point")}
    draws = rows.groupby("point")["draw"].unique()
    result = {}
    for point, status, reason, varies in points[["point", "status", "reason", "varies"]].itertuples(index=False):
        if status != "ok":
            result[point] = no_side(f"{status}: {reason}")
        elif point not in by_point:
            result[point] = no_side(f"has no {measure}")
        else:
            lacking = sorted(set(draws[point]) - set(by_point[point].index))
            result[point] = (
                no_side(f"has no {measure} in draws {_listed(lacking)}")
                if lacking
                else Side(by_point[point], varies=varies and not _is_constant(by_point[point]))
            )
    return result


def _is_constant(by_draw: pd.Series) -> bool:
    """Return whether several draws gave the same value."""
    return len(by_draw) > 1 and bool((by_draw == by_draw.iloc[0]).all())


def require_measure(rows: pd.DataFrame, measure: Measure) -> None:
    """Raise `InputError` unless the rows hold the measure once, or there are no rows."""
    if rows.empty:
        return
    require_known(rows["metric"].unique(), metric=measure.metric)
    coordinates = np.unique(rows.loc[rows["metric"] == measure.metric, "at"])
    listed = f"choose one of {_listed(coordinates)}" if np.isfinite(coordinates).any() else "leave it out"
    if measure.at is None:
        require(len(coordinates) == 1, "at", "none", f"{measure.metric} has several; {listed}")
    else:
        require(
            bool(np.isclose(coordinates, measure.at).any()),
            "at",
            measure.at,
            f"{measure.metric} has no such value; {listed}",
        )


def paired(a: Side, b: Side, names: tuple[str, str]) -> Paired:
    """Return B - A over draws; `names` name the sides in a reason."""
    a, b = a.in_draws_of(b), b.in_draws_of(a)
    reasons = [f"{name}: {side.reason}" for name, side in zip(names, (a, b), strict=True) if side.reason]
    common = sorted(set(a.by_draw.index) & set(b.by_draw.index))
    if not reasons and not _is_paired(a, b):
        reasons = [f"{names[0]} has {counted(len(a.by_draw), 'draw')}, {names[1]} has {len(b.by_draw)}"]
    if reasons:
        return Paired(reason="; ".join(reasons))
    both = np.column_stack([a.by_draw[common], b.by_draw[common]])
    mean_a, mean_b = both.mean(axis=0).tolist()
    differences = both[:, 1] - both[:, 0]
    interval, unpaired = mean_interval(differences), len(a.by_draw) + len(b.by_draw) - 2 * len(common)
    ratio, varies = mean_b / mean_a if mean_a else np.nan, a.varies or b.varies
    return Paired(mean_a, mean_b, *interval[:2], ratio, interval.size, unpaired, p_value(differences), varies)


def _is_paired(a: Side, b: Side) -> bool:
    """Return whether both sides have the same draws, or the same first ones.

    Numbers of draws differ with `precision=target`.
    """
    draws_a, draws_b = set(a.by_draw.index), set(b.by_draw.index)
    fewer = min(len(draws_a), len(draws_b))
    return draws_a == draws_b or (fewer > 1 and draws_a & draws_b == set(range(fewer)))


def with_family(table: pd.DataFrame) -> pd.DataFrame:
    """Add p-values and half-widths that hold for a whole table.

    `p_holm` are Holm's adjusted p-values, `joint_half_width` is of Bonferroni's simultaneous 95 % intervals.
    """
    count = max(int(table["p"].notna().sum()), 1)
    freedom = np.maximum(table["pairs"].astype(int) - 1, 1)
    wider = stdtrit(freedom, 1 - 0.025 / count) / stdtrit(freedom, 0.975)
    return table.assign(p_holm=holm(table["p"]), joint_half_width=table["half_width"] * wider)


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
