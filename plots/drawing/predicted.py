"""Predictions beside measurements: the numbers in the figures and the card of real runs.

A cell is one system with its requests: a combination of values of all axes except the evaluator, the service model and
their settings. Each cell has several kinds of numbers. A kind is the measurement, or the service model of a prediction,
or the evaluator of a prediction without a service model. If predictions of one model differ in a setting, the setting
is part of the name of the kind.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from plots.drawing.curves import NO_AXES
from plots.drawing.style import LOOKS, Look, in_order, looks_of
from store.tables.labels import Labels
from store.tables.statistics import complete_means
from system import InputError

THEORY, MODEL, STEPS, MEASURED = "exact", "independent", "steps", "runtime"
LOOKS_LIKE = {"simulation": MODEL, "replay": MODEL}  # the look of evaluators in rows that name no service model
COMPARED = "response_mean_s"  # the metric that every kind has
NOWHERE = -1.0  # replaces nan, which a pivot would drop; coordinates are 0 or above
NOT_OF_A_CELL = (*NO_AXES, "workload", "kind")
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
    for axis in (str(axis) for axis in rows if str(axis).split(".", 1)[0] in GROUPS_OF_KINDS):
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

    These are all axes except the workload, the evaluator, the service model and their settings.
    """
    axes = [str(axis) for axis in rows if axis not in NOT_OF_A_CELL]
    return [axis for axis in axes if axis.split(".", 1)[0] not in GROUPS_OF_KINDS]


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the means of each kind.

    There is a row for each cell, metric and coordinate. The kinds are columns. A mean is nan if some draw lacks the
    value.
    """
    keys = [*cell_axes(rows), "metric", "at"]
    complete = complete_means(rows, [*keys, "kind"]).fillna({"at": NOWHERE})
    table = complete.pivot_table(index=keys, columns="kind", values="mean", sort=False).reset_index()
    return table.replace({"at": NOWHERE}, float("nan")).rename_axis(columns=None)


def errors(table: pd.DataFrame, kinds: Sequence[Kind], reference: str = MEASURED) -> pd.DataFrame:
    """Return a table of `means` with errors instead of predictions.

    An error is the relative difference from the reference.
    """
    predictions = [kind.name for kind in kinds if kind.name in table and kind.name != reference]
    return table.assign(**{name: table[name] / table[reference] - 1 for name in predictions})


def compute_share(table: pd.DataFrame, kinds: Sequence[Kind]) -> float:
    """Return the share of computation in a lone job's service.

    Time spent waiting for the steps of other jobs does not count. The share is nan if no kind has it.
    """
    names = in_order((kind.name for kind in kinds if kind.name in table), (STEPS, MEASURED))
    times = table.groupby("metric")[names].mean()
    for name in times:
        compute_s, communication_s = times[name].reindex(["compute_mean_s", "communication_mean_s"])
        if pd.notna(compute_s + communication_s):
            return float(compute_s / (compute_s + communication_s))
    return float("nan")


def columns_of_cells(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of each round trip and capacity.

    The cells in a set of rows differ in load only.
    """
    return [shown for _, shown in rows.groupby(["network.rtt_s", "tuning.capacity"], sort=False)]


def cell_title(rows: pd.DataFrame, kinds: Sequence[Kind]) -> str:
    """Return the title of cells that differ in load only."""
    share = compute_share(means(rows[rows["demand.load"] == rows["demand.load"].iloc[0]]), kinds)
    rtt_ms, capacity = 1e3 * float(rows["network.rtt_s"].iloc[0]), rows["tuning.capacity"].iloc[0]
    alone = "" if pd.isna(share) else f", {share:.0%} computation"
    return f"c = {capacity}, RTT {rtt_ms:g} ms{alone}"
