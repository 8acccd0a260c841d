"""Means and percentiles of real runs beside their predictions, where there is no load to draw them over."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.predicted import LOOK_OF_KIND, kinds_in, with_kinds
from plots.style import legend_below, logarithmic_from_zero, look_of, new_figure
from store.statistics import intervals_over_draws

STATISTICS = {
    "mean\nresponse": ("response_mean_s", None),
    "P50": ("response_quantile_s", 0.5),
    "P95": ("response_quantile_s", 0.95),
    "P99": ("response_quantile_s", 0.99),
    "mean\nwaiting": ("waiting_mean_s", None),
    "mean\nservice": ("service_mean_s", None),
}
OFFSET = 0.12  # between the kinds of one statistic


def side_by_side(rows: pd.DataFrame, titles: dict[str, str], axis: str, draws: int) -> Figure:
    """One panel for each value of the axis; values that have no title are their own."""
    known = with_kinds(rows)
    figure, panels = new_figure(known[axis].nunique())
    for axes, (value, shown) in zip(panels, known.groupby(axis, sort=False), strict=True):
        for number, kind in enumerate(kinds_in(shown)):
            times = _statistics(shown[shown["kind"] == kind], draws)
            look = look_of(LOOK_OF_KIND[kind]) | {"linestyle": "none", "capsize": 2, "label": kind}
            axes.errorbar(times.index + OFFSET * (number - 1), times["mean"], times["half_width"].fillna(0.0), **look)
        _label(axes, titles.get(str(value), str(value)))
    legend_below(figure, panels[0], len(LOOK_OF_KIND))
    return figure


def _label(axes: Axes, title: str) -> None:
    axes.set(xlabel="statistic of the jobs", ylabel="time (s)", title=title)
    axes.set_xticks(range(len(STATISTICS)), list(STATISTICS))
    logarithmic_from_zero(axes)


def _statistics(rows: pd.DataFrame, draws: int) -> pd.DataFrame:
    """`mean` and `half_width` by the number of the statistic, of those that every draw has."""
    found = intervals_over_draws(rows[rows["draw"] < draws], ["metric", "at"])
    found = found[found["draws"] == draws]
    numbers = {}
    for number, (metric, at) in enumerate(STATISTICS.values()):
        line = found[(found["metric"] == metric) & (found["at"].isna() if at is None else found["at"] == at)]
        if len(line):
            numbers[number] = line.iloc[0][["mean", "half_width"]]
    return pd.DataFrame(numbers).T.astype(float)
