"""A figure of any experiment: one metric over one axis, with curves and panels over the others."""

from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import fill
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_numeric_dtype

from plots.drawing.curves import MEAN, axes_in, axis_words, distinguishing_axes, texts
from plots.drawing.panels import draws_in, panels_over
from plots.drawing.style import LOOKS, DrawingError, Look, curve, legend_below, looks_of, new_figure, over_draws
from store.tables.labels import Labels
from store.tables.meanings import Metrics, meaning_of, unit_of
from store.tables.reading import Results
from store.tables.statistics import shown
from system.checks import require
from system.words import counted

AT = "metric.at"  # the coordinate of a metric that has several, as an axis
MOST_PANELS, MOST_CURVES, COLUMNS = 12, 12, 4
NOTE_WIDTH = 100  # characters
PLAIN_LOOKS = tuple(LOOKS[name] for name in ("proposed", "bprr", "jffc_only", "petals"))  # of unknown names
SPREAD = 0.3  # of the curves of one category, to each side


class Arrangement(NamedTuple):
    """How axes are shown: one as x, some as panels, some as curves. What is empty is chosen here."""

    x: str = ""
    panels: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    metric: str = ""


AUTOMATIC = Arrangement()


def draw(results: Results, labels: Labels, metrics: Metrics, wanted: Arrangement = AUTOMATIC) -> Figure:
    """Draw panels over some axes, and curves over others.

    Raises `DrawingError` if there would be too many of them.
    """
    rows = rows_of_metric(results.rows, wanted.metric)
    shape = arrange(rows, wanted)
    rows, looks = _with_curves(rows, shape, labels)
    panels = panels_over(Results(rows, results.points), shape.panels)
    columns = min(len(panels), COLUMNS)
    figure, frames = new_figure(columns, ceil(len(panels) / columns))
    for axes in frames[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(frames, panels, strict=False):
        _draw_panel(axes, panel.rows, shape, looks, labels)
        axes.set(xlabel=_with_unit(shape.x), ylabel=_with_unit(shape.metric, metrics), title=panel.title(labels))
    legend_below(figure, frames, min(len(looks), COLUMNS), _note(rows, results.points, shape, metrics))
    return figure


def rows_of_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of one metric.

    Without a wish it is the mean response or, if there is none, the first metric. Coordinates are in the column
    `metric.at` if there are several.
    """
    names = list(rows["metric"].unique())
    require(not metric or metric in names, "metric", metric, f"there is none; choose one of {', '.join(names)}")
    chosen = metric or (MEAN if MEAN in names else names[0])
    of_metric = rows[rows["metric"] == chosen]
    return of_metric.assign(**{AT: of_metric["at"]}) if len(of_metric["at"].unique()) > 1 else of_metric


def arrange(rows: pd.DataFrame, wanted: Arrangement) -> Arrangement:
    """Return how the axes of some rows are shown.

    Without a wish x is the numeric axis with the most values, curves are over choices, and panels are over other
    numbers. If panels or curves are named, the axes left are the others. An axis goes where it does not make too many.
    """
    named = [axis for axis in (wanted.x, *wanted.panels, *wanted.curves) if axis]
    known = axes_in(rows)
    for axis in named:
        names = distinguishing_axes(rows, []) or known or ["none"]
        require(axis in known, "axis", axis, f"there is none; choose some of {', '.join(names)}")
    x = wanted.x or _longest(rows, named)
    taken = [x, *wanted.panels, *wanted.curves]
    others = sorted(distinguishing_axes(rows, taken), key=lambda axis: rows[axis].nunique(dropna=False))
    panels, curves = list(wanted.panels), list(wanted.curves)
    for axis in others:
        choices = [(panels, MOST_PANELS), (curves, MOST_CURVES)]
        panels_first = not wanted.panels if wanted.panels or wanted.curves else is_numeric_dtype(rows[axis])
        ordered = choices if panels_first else choices[::-1]
        fitting = [group for group, most in ordered if _count(rows, [*group, axis]) <= most]
        (fitting or [ordered[0][0]])[0].append(axis)
    for group, most, name in ((panels, MOST_PANELS, "panels"), (curves, MOST_CURVES, "curves")):
        if _count(rows, group) > most:
            raise DrawingError(_too_many(rows, group, name, most))
    return Arrangement(x, tuple(panels), tuple(curves), str(rows["metric"].iloc[0]))


def _longest(rows: pd.DataFrame, taken: Sequence[str]) -> str:
    """Return the longest axis, a numeric one if any."""
    axes = sorted(axes_in(rows), key=lambda axis: axis != AT)  # that of coordinates first
    sizes = {axis: rows[axis].nunique() for axis in axes if axis not in taken}
    varying = [axis for axis, size in sizes.items() if size > 1] or list(sizes)
    require(bool(varying), "x", "none", "there is no axis left for it; name fewer panels and curves")
    numeric = [axis for axis in varying if is_numeric_dtype(rows[axis])]
    return max(numeric or varying, key=lambda axis: sizes[axis])


def _count(rows: pd.DataFrame, axes: Sequence[str]) -> int:
    return len(rows[list(axes)].drop_duplicates()) if axes else 1


def _too_many(rows: pd.DataFrame, axes: Sequence[str], name: str, most: int) -> str:
    """Return why a figure cannot be read, and the remedy."""
    largest = max(axes, key=lambda axis: rows[axis].nunique())
    first = ",".join(shown(value) for value in rows[largest].dropna().unique()[:2])
    sizes = ", ".join(f"{axis} ({rows[axis].nunique(dropna=False)} values)" for axis in axes)
    return (
        f"{sizes} would make {_count(rows, axes)} {name}, more than {most}; keep some values with "
        f"--where {largest}={first}, or name axes with --x, --panels or --curves"
    )


def _with_curves(rows: pd.DataFrame, shape: Arrangement, labels: Labels) -> tuple[pd.DataFrame, dict[str, Look]]:
    """Return rows with the column `curve`, and looks by curve."""
    if not shape.curves:
        return rows.assign(curve=""), {"": LOOKS["proposed"]}
    keys = rows[list(shape.curves)].apply(texts)
    distinct = keys.drop_duplicates().to_dict("records")
    words = [
        ", ".join(filter(None, (axis_words(axis, key[axis], labels) for axis in shape.curves))) for key in distinct
    ]
    names = [
        word if word and words.count(word) == 1 else f"{word or 'none'} ({', '.join(key.values())})"
        for word, key in zip(words, distinct, strict=True)
    ]
    by_key = {tuple(key.values()): name for key, name in zip(distinct, names, strict=True)}
    curves = [by_key[key] for key in keys.itertuples(index=False, name=None)]
    return rows.assign(curve=curves), _looks(by_key)


def _looks(by_key: Mapping[tuple[str, ...], str]) -> dict[str, Look]:
    """Return the look of each curve.

    It is that of one of its choices in all figures, or else one of its own.
    """
    wanted = {name: next((value for value in key if value in LOOKS), name) for key, name in by_key.items()}
    plain = dict(zip(wanted, PLAIN_LOOKS, strict=False))
    return looks_of(wanted, LOOKS if LOOKS.keys() & wanted.values() else plain)


def _draw_panel(axes: Axes, rows: pd.DataFrame, shape: Arrangement, looks: Mapping[str, Look], labels: Labels) -> None:
    """Draw the curves of a panel.

    Categories on x have points without lines, beside each other.
    """
    if is_numeric_dtype(rows[shape.x]):
        for name, look in looks.items():
            curve(axes, look, over_draws(rows[rows["curve"] == name], shape.x), name)
        return
    values = list(rows[shape.x].dropna().unique())
    offsets = np.linspace(-SPREAD, SPREAD, len(looks)) if len(looks) > 1 else [0.0]
    for (name, look), offset in zip(looks.items(), offsets, strict=True):
        means = over_draws(rows[rows["curve"] == name], shape.x)
        means.index = [values.index(value) + offset for value in means.index]
        curve(axes, look | {"linestyle": "none", "marker": look.get("marker", "o")}, means, name)
    axes.set_xticks(range(len(values)), [labels(shape.x, value) for value in values])
    axes.set_xlim(-0.5, len(values) - 0.5)


def _with_unit(name: str, metrics: Metrics | None = None) -> str:
    """Return a name with its unit."""
    unit = unit_of(name) if metrics is None else meaning_of(name, metrics).unit
    return f"{name.removeprefix('metric.')} ({unit})" if unit not in ("", "1") else name.removeprefix("metric.")


def _note(rows: pd.DataFrame, points: pd.DataFrame, shape: Arrangement, metrics: Metrics) -> str:
    """Return a note on the numbers and on points without one."""
    meaning = meaning_of(shape.metric, metrics).meaning
    note = f"{shape.metric}: {meaning}; means of {draws_in(points)} draws with 95 % intervals"
    lacking = points[~points["point"].isin(rows.loc[rows["status"] == "ok", "point"])]
    if len(lacking):
        reasons = lacking["status"].replace("ok", "without this metric").value_counts()
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        note += f"; {counted(len(lacking), 'point')} not drawn: {listed}"
    return fill(note, NOTE_WIDTH)
