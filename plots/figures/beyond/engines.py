"""Runs of engines: measured and predicted mean and P95 of the response time, over each axis of the grid.

A prediction's error at a point is the median over runs of predicted over measured time, less 1. The rule that the
predictions in which jobs slow each other are judged by stands in `BOUNDS`; it was written before the runs.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.drawing.panels import draws_in
from plots.drawing.predicted import CAPACITY, LOAD, MODEL, RTT, cell_axes, cell_words
from plots.drawing.predicted import MEASURED as RUN
from plots.drawing.style import LOOKS, Look, legend_below, logarithmic, looks_of, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results
from store.tables.text import aligned

ENGINES = ("llamacpp",)  # evaluators that measure
MEASURED = "measured"
P95 = 0.95
MEAN, TAIL = "mean response", "P95 response"
BOUNDS = {MEAN: 0.15, TAIL: 0.25}  # of the median absolute error over all points
METHODS = {"replay": "simulation", "interference": "theory"}  # by evaluator
CHOICE = "tuning"  # a panel compares its values
WORDS = {LOAD: "load λ/ν'", CAPACITY: "slots of a chain", RTT: "round trip (s)", CHOICE: "c chosen by"}
WIDTH = 0.4  # of all marks at one value, in parts of the distance between values
NOTE = "medians over {draws} runs of the same requests"
KEYS = ("kind", "time", "draw", "replication")


def card(results: Results, labels: Labels) -> str:
    """Return the card: errors, the chosen c, and the times of all points."""
    table, axes = times_of(results.rows, labels), cell_axes(results.rows)
    medians = _medians(table, axes)
    lines = ["# Predicted and measured: engines", ""]
    if MEASURED not in medians:
        lines.append("Nothing was measured yet.")
    else:
        lines += [*_errors(_relative(table, axes), axes), "", *_choices(medians, results.rows, labels)]
    for time, of_time in medians.groupby("time", sort=False):
        lines += ["", f"{time} in s, medians over runs:", "", "```"]
        lines += [*aligned(_written(of_time, axes, results.rows, labels)), "```"]
    return "\n".join([*lines, ""])


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a column of panels for each family of points, the mean above P95.

    The points of a family differ in one axis.
    """
    table, axes = times_of(results.rows, labels), cell_axes(results.rows)
    medians = _medians(table, axes)
    families = list(_families(medians, axes))
    looks = _looks(medians, axes, labels)
    figure, panels = new_figure(len(families), len(BOUNDS))
    for number, (axis, family) in enumerate(families):
        setting = {name: family[name].iloc[0] for name in axes if name != axis}
        for line, time in enumerate(BOUNDS):
            panel = panels[line * len(families) + number]
            _marks(panel, family[family["time"] == time], axis, looks, labels)
            panel.set(xlabel=WORDS.get(axis, axis), ylabel=f"{time} (s)")
            logarithmic(panel)
        panels[number].set_title(", ".join(cell_words(_known(setting), results.rows, labels)))
    legend_below(figure, panels, len(looks), NOTE.format(draws=draws_in(results.points)))
    return figure


def relative_errors(rows: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return the errors of each prediction at each point, medians over runs."""
    return _relative(times_of(rows, labels), cell_axes(rows))


def times_of(rows: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return means and P95 of response times, with kinds."""
    is_mean = rows["metric"] == "response_mean_s"
    is_tail = (rows["metric"] == "response_quantile_s") & (rows["at"] == P95)
    known = rows[is_mean | is_tail]
    sources = zip(known["service"], known["evaluator"], strict=True)
    kinds = [_kind(service, evaluator, labels) for service, evaluator in sources]
    return known.assign(kind=kinds, time=is_mean[known.index].map({True: MEAN, False: TAIL}))


def _kind(service: str, evaluator: str, labels: Labels) -> str:
    """Return the name of what measures or predicts."""
    if evaluator in ENGINES:
        return MEASURED
    model = labels("service", service)
    return model if service == MODEL else f"{model}, {METHODS.get(evaluator) or labels('evaluator', evaluator)}"


def _wide(table: pd.DataFrame, axes: Sequence[str], keys: Sequence[str]) -> pd.DataFrame:
    """Return a row for each point, time and further key.

    Each kind has a column of values.
    """
    named = table.assign(**{axis: table[axis].astype(object).where(table[axis].notna(), "") for axis in axes})
    order = named[[*axes, "time"]].drop_duplicates()
    index = [*axes, "time", *keys]
    wide = named.pivot_table(index=index, columns="kind", values="value", aggfunc="median", sort=False).reset_index()
    return order.merge(wide, on=[*axes, "time"])


def _medians(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Return the medians over runs of each point."""
    return _wide(table, axes, [])


def _relative(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Return the errors of each prediction at each point, medians over runs."""
    runs = _wide(table, axes, ["draw", "replication"])
    kinds = _predictions(runs, axes)
    errors = runs.assign(**{kind: runs[kind] / runs[MEASURED] - 1 for kind in kinds})
    return errors.groupby([*axes, "time"], sort=False)[kinds].median().reset_index()


def _predictions(wide: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return the kinds that predict, in order of rows."""
    return [str(kind) for kind in wide if kind not in (*axes, *KEYS, MEASURED)]


def _errors(errors: pd.DataFrame, axes: Sequence[str]) -> Iterator[str]:
    """Yield a line for each prediction, with the verdict of the rule."""
    for kind in _predictions(errors, axes):
        words, holds = [], True
        for time, bound in BOUNDS.items():
            known = errors.loc[errors["time"] == time, kind].dropna()
            median = known.abs().median()
            holds &= bool(median <= bound)
            words.append(
                f"{time} {median:.0%} off in the median ({known.min():+.0%} to {known.max():+.0%}, {len(known)} points)"
            )
        bounds = " and ".join(f"{bound:.0%} of the {time}" for time, bound in BOUNDS.items())
        yield f"- {kind}: {'; '.join(words)}; {'within' if holds else 'not within'} {bounds}"


def _choices(medians: pd.DataFrame, rows: pd.DataFrame, labels: Labels) -> Iterator[str]:
    """Yield a line on each measured choice of c: the c and the mean."""
    chosen = rows[rows["metric"] == "reserved_capacity"]
    for choice, of_choice in chosen.groupby(CHOICE, sort=False):
        measured = medians[(medians[CHOICE] == choice) & (medians["time"] == MEAN)][MEASURED].dropna()
        if len(measured):
            c = of_choice["value"].median()
            yield f"- c of {labels(CHOICE, choice)}: {c:g}; mean response {measured.median():.4g} s"


def _written(table: pd.DataFrame, axes: Sequence[str], rows: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Return the lines of a table of points."""
    settings = table[list(axes)].to_dict("records")
    points = [", ".join(cell_words(_known(_named(setting)), rows, labels)) for setting in settings]
    kinds = [kind for kind in table if kind not in (*axes, "time")]
    return pd.DataFrame({"": points} | {str(kind): table[kind].map("{:.4g}".format) for kind in kinds})


def _named(setting: dict[Any, Any]) -> dict[str, Any]:
    return {str(axis): value for axis, value in setting.items()}


def _known(setting: dict[str, Any]) -> dict[str, Any]:
    """Return the setting without axes that have no value."""
    return {axis: value for axis, value in setting.items() if value != ""}


def _families(medians: pd.DataFrame, axes: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each axis with the points that differ in nothing else.

    Axes of numbers come first.

    Points of a choice that numbers show already make no panel of their own.
    """
    seen: set[int] = set()
    is_number = {axis: all(isinstance(value, int | float) for value in medians[axis] if value != "") for axis in axes}
    for axis in sorted(axes, key=lambda name: not is_number[name]):
        others = [name for name in axes if name != axis]
        for _, family in medians.groupby(others, sort=False):
            if len(family[axis].unique()) > 1 and not (not is_number[axis] and set(family.index) <= seen):
                seen |= set(family.index)
                yield axis, family


def _looks(medians: pd.DataFrame, axes: Sequence[str], labels: Labels) -> dict[str, Look]:
    """Return the looks of the kinds, the measured one last."""
    kinds = [*_predictions(medians, axes), *([MEASURED] if MEASURED in medians else [])]
    known = {labels("service", MODEL): MODEL, MEASURED: RUN}
    return looks_of({kind: known.get(kind, kind) for kind in kinds}, LOOKS)


def _marks(panel: Axes, points: pd.DataFrame, axis: str, looks: dict[str, Look], labels: Labels) -> None:
    """Draw the marks of each kind over an axis, side by side."""
    distinct = points[axis].unique().tolist()
    values = distinct if any(isinstance(value, str) for value in distinct) else sorted(distinct)
    panel.set_xticks(range(len(values)), [labels(axis, value) for value in values])
    panel.set_xlim(-0.5, len(values) - 0.5)
    for number, (kind, look) in enumerate(looks.items()):
        shift = WIDTH * ((number + 0.5) / len(looks) - 0.5)
        panel.plot(points[axis].map(values.index) + shift, points[kind], **look | {"linestyle": "none", "label": kind})
