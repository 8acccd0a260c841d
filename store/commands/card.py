"""Card: the results of one point on the terminal."""

import pandas as pd

from store.disk.outcome import NOTHING_VARIES, outcome_of
from store.disk.store import Store
from store.tables.notes import notes_on
from store.tables.statistics import MOST_COORDINATES, by_draw, mean_interval
from system import InputError


def point_card(store: Store, point: str, draws: int, replications: int) -> str:
    """Return every metric with its mean over draws and the 95 % half-width.

    A metric without an interval has the same value in every draw.

    Raises `InputError` with the reason if a draw was refused: a mean over the other draws would look too good.
    """
    parts = store.parts([point])
    outcome = outcome_of(store, point, parts[point], draws, replications)
    if outcome.status != "ok":
        raise InputError(f"{outcome.status}: {outcome.reason}")
    rows = store.rows(parts, draws, replications)
    note = [] if outcome.varies else [f"({NOTHING_VARIES}, so each metric has one value and no interval)"]
    return "\n".join([f"point {point}", *means(rows), *note, *notes_on(rows, ())]) + "\n"


def means(rows: pd.DataFrame) -> list[str]:
    """Return a line for each metric of one point's rows."""
    sizes = rows.groupby("metric")["at"].transform("nunique")
    curves = rows.loc[sizes > MOST_COORDINATES, "metric"].unique()
    rows = rows[sizes <= MOST_COORDINATES]
    groups = rows.groupby(_labels(rows), sort=False)
    return [
        *(f"  {metric:32} a curve, drawn by plot.py" for metric in curves),
        *(f"  {label:32} {_interval(group)}" for label, group in groups),
    ]


def _labels(rows: pd.DataFrame) -> pd.Series:
    """Return the name of each row's metric, with its quantile or coordinate if any."""
    return rows["metric"].where(rows["at"].isna(), rows["metric"] + " at " + rows["at"].map("{:g}".format))


def _interval(group: pd.DataFrame) -> str:
    values = by_draw(group, ["metric", "at"])["value"]
    interval = mean_interval(values)
    spread = f" ± {interval.half_width:.3g} over {interval.size} draws" if interval.size > 1 else ""
    if interval.size > 1 and values.eq(values.iloc[0]).all():
        spread = f" in each of {interval.size} draws"
    return f"{interval.mean:.6g}{spread}"
