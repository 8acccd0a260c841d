"""Predictions beside measurements: the numbers in the figures and the card of real runs.

A cell is one system with its requests: a combination of values of all axes except the evaluator, the service model and
their settings. Settings in which both the runs and the predictions differ make cells, too: a run under one rule is
compared with the predictions under that rule. Each cell has several kinds of numbers. A kind is the measurement, or the
service model of a prediction, or the evaluator of a prediction without a service model. If predictions of one model
differ in a setting, the setting is part of the name of the kind.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from plots.drawing.curves import NONE, axes_in, axis_words
from plots.drawing.style import LOOKS, Look, in_order, looks_of
from store.tables.labels import Labels
from store.tables.statistics import complete_means, shown
from system import InputError

THEORY, MODEL, STEPS, MEASURED = "exact", "independent", "steps", "runtime"
LOOKS_LIKE = {"simulation": MODEL, "replay": MODEL}  # the look of evaluators in rows that name no service model
COMPARED = "response_mean_s"  # the metric that every kind has
NOWHERE = -1.0  # replaces nan, which a pivot would drop; coordinates are 0 or above
NOT_OF_A_CELL = ("workload", "kind")
LOAD = "demand.load"
NAMED = (CAPACITY, RTT) = ("tuning.capacity", "network.rtt_s")  # a title names them even if all cells agree
GROUPS_OF_KINDS = ("evaluator", "service")  # these axes and their settings make the kind


class Kind(NamedTuple):
    """A kind of numbers, with its name in the column `kind`, its label and its look."""

    name: str
    label: str
    look: Look


def with_kinds(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with response times, with the column `kind`.

    These are the rows of all kinds that predict or measure response times. Raises `InputError` if a cell has several
    measurements.
    """
    services = rows["service"] if "service" in rows else pd.Series(pd.NA, rows.index)
    is_run = rows["evaluator"] == MEASURED if "evaluator" in rows else pd.Series(False, rows.index)
    is_model = services.notna() & ~is_run
    kinds = services if is_model.all() else services.where(is_model, rows["evaluator"])
    known = rows.assign(kind=kinds)[kinds.isin(kinds[rows["metric"] == COMPARED].unique())]
    return known.assign(kind=known["kind"] + _settings(known))


def _settings(rows: pd.DataFrame) -> pd.Series:
    """Return the settings that each row's kind must name.

    An example is ", slowdown=2". These are the settings in which rows of one kind in one cell differ; most rows have
    none.
    """
    names, cells = pd.Series("", rows.index), rows.groupby([*cell_axes(rows), "kind"], dropna=False)
    of_cells = cell_axes(rows)
    for axis in (str(axis) for axis in rows if _is_of_kinds(str(axis)) and str(axis) not in of_cells):
        differs = rows["kind"].isin(rows["kind"][cells[axis].transform("nunique", dropna=False) > 1])
        runs = rows[axis][differs & (rows["kind"] == MEASURED)]
        if not runs.empty:
            given = ", ".join(map(str, runs.unique()))
            raise InputError(
                f"{axis} = {given}: predictions can be compared with one run only; keep one of these values"
            )
        values = rows[axis][differs].dropna().astype(str)
        names.loc[values.index] += f", {axis.rsplit('.', 1)[-1]}=" + values
    return names


def model_of(kind: str) -> str:
    """Return the service model or evaluator of a kind."""
    return kind.split(",", 1)[0]


def kinds_in(rows: pd.DataFrame, labels: Labels) -> list[Kind]:
    """Return the kinds of some rows.

    They are in order from the simplest prediction to the measurement.
    """
    models = in_order(map(model_of, rows["kind"]), (THEORY, MODEL, *LOOKS_LIKE, STEPS))
    names = sorted(rows["kind"].unique(), key=lambda name: (name == MEASURED, models.index(model_of(name))))
    looks = looks_of({name: LOOKS_LIKE.get(model_of(name), model_of(name)) for name in names}, LOOKS)
    return [Kind(name, _label(name, labels), looks[name]) for name in names]


def _label(kind: str, labels: Labels) -> str:
    model = model_of(kind)
    label = labels.by_axis.get("service", {}).get(model) or labels("evaluator", model)
    return label + kind.removeprefix(model)


def cell_axes(rows: pd.DataFrame) -> list[str]:
    """Return the columns whose values make a cell.

    These are all axes except the workload, and the evaluator, the service model and their settings unless both runs and
    predictions differ in them.
    """
    axes = [axis for axis in axes_in(rows) if axis not in NOT_OF_A_CELL]
    return [axis for axis in axes if not _is_of_kinds(axis) or _differs_between_runs(axis, rows)]


def _is_of_kinds(axis: str) -> bool:
    return axis.split(".", 1)[0] in GROUPS_OF_KINDS


def _differs_between_runs(axis: str, rows: pd.DataFrame) -> bool:
    """Return whether runs differ in a setting and each value is predicted."""
    if axis == "evaluator" or not {"evaluator", "service"} <= set(rows):
        return False
    values, is_run = rows[axis].astype(object).fillna(NONE), rows["evaluator"] == MEASURED
    measured, predicted = set(values[is_run]), set(values[~is_run & rows["service"].notna()])
    return len(measured) > 1 and measured <= predicted


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the means of each kind.

    There is a row for each cell, metric and coordinate. The kinds are columns. A mean is nan if some draw lacks the
    value. Raises `PoolingError` if points of one kind and cell differ in a further setting.
    """
    axes = cell_axes(rows)
    keys = [*axes, "metric", "at"]
    without = [axis for axis in axes if rows[axis].isna().any()]  # a pivot would drop nan
    named = rows.assign(**{axis: rows[axis].astype(object).fillna(NONE) for axis in without})
    complete = complete_means(named, [*keys, "kind"]).fillna({"at": NOWHERE})
    table = complete.pivot_table(index=keys, columns="kind", values="mean").reset_index()
    order = named[keys].fillna({"at": NOWHERE}).drop_duplicates()
    return order.merge(table, on=keys).replace({"at": NOWHERE}, float("nan"))


def errors(table: pd.DataFrame, kinds: Sequence[Kind], reference: str = MEASURED) -> pd.DataFrame:
    """Return a table of `means` with errors instead of predictions.

    An error is the relative difference from the reference.
    """
    predictions = [kind.name for kind in kinds if kind.name in table and kind.name != reference]
    return table.assign(**{name: table[name] / table[reference] - 1 for name in predictions})


def compute_shares(table: pd.DataFrame, kinds: Sequence[Kind]) -> "pd.Series[float]":
    """Return the share of computation without other jobs, by cell.

    Time spent waiting for the steps of other jobs does not count. If several kinds have the share, it is that of the
    step queues, or else that of the measurement.
    """
    names = in_order((kind.name for kind in kinds if kind.name in table), (STEPS, MEASURED))
    cells = [str(column) for column in table if column not in ("metric", "at", *names)]
    compute_s, communication_s = (
        table[table["metric"] == metric].set_index(cells)[names]
        for metric in ("compute_mean_s", "communication_mean_s")
    )
    shares = compute_s / (compute_s + communication_s)
    return shares.bfill(axis="columns").iloc[:, 0].dropna()


def share_words(shares: "pd.Series[float]") -> str:
    """Return the least and the greatest share in per cent.

    Return one number if they are equal, and no text without any share.
    """
    ends = list(dict.fromkeys(f"{share:.0%}" for share in (shares.min(), shares.max()) if pd.notna(share)))
    return " to ".join(ends)


def columns_of_cells(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of cells that differ in load only."""
    rows[LOAD]  # raises `KeyError` if rows have no load
    others = [axis for axis in cell_axes(rows) if axis != LOAD]
    return [shown for _, shown in rows.groupby(others, sort=False, dropna=False)] if others else [rows]


def cell_title(rows: pd.DataFrame, all_rows: pd.DataFrame, kinds: Sequence[Kind], labels: Labels) -> str:
    """Return the title of cells that differ in load only.

    It names the axes in which cells differ, and the share of computation at the lowest load.
    """
    share = share_words(compute_shares(means(rows[rows[LOAD] == rows[LOAD].min()]), kinds))
    setting = {axis: rows[axis].iloc[0] for axis in cell_axes(rows) if axis != LOAD}
    alone = [f"{share} computation"] if share else []
    return ", ".join([*cell_words(setting, all_rows, labels), *alone])


def cell_words(setting: Mapping[str, Any], rows: pd.DataFrame, labels: Labels) -> list[str]:
    """Return the setting of a cell in words.

    They name the capacity, the round trip, and every other axis in which the rows differ.
    """
    named = [axis for axis in NAMED if axis in setting]
    others = [axis for axis in setting if axis not in NAMED and len(rows[axis].unique()) > 1]
    return [_setting_words(axis, setting[axis], labels) for axis in named + others if setting[axis] != NONE]


def _setting_words(axis: str, value: Any, labels: Labels) -> str:
    if axis in NAMED:
        return f"c = {value:g}" if axis == CAPACITY else f"RTT {1e3 * value:g} ms"
    return axis_words(axis, shown(value), labels)
