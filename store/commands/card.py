"""One point's results on the terminal."""

import pandas as pd

from store.disk.outcome import outcome_of
from store.disk.store import Store
from store.tables.statistics import mean_interval
from system import InputError

LONGEST_LIST = 40  # a metric at more places than this is a curve


def point_card(store: Store, point: str, draws: int, replications: int) -> str:
    """Every metric with its mean over draws and the 95 % half-width.

    Raises `InputError` with the reason where a draw was refused: a mean over the others would flatter.
    """
    parts = store.parts([point])
    found = outcome_of(store, point, parts[point], draws, replications)
    if found.status != "ok":
        raise InputError(f"{found.status}: {found.reason}")
    return "\n".join([f"point {point}", *means(store.rows(parts, draws, replications))]) + "\n"


def means(rows: pd.DataFrame) -> list[str]:
    """A line a metric of one point's rows."""
    sizes = rows.groupby("metric")["at"].transform("nunique")
    curves = rows.loc[sizes > LONGEST_LIST, "metric"].unique()
    rows = rows[sizes <= LONGEST_LIST]
    groups = rows.groupby(_labels(rows), sort=False)
    return [
        *(f"  {metric:32} a curve, drawn by plot.py" for metric in curves),
        *(f"  {label:32} {_interval(group)}" for label, group in groups),
    ]


def _labels(rows: pd.DataFrame) -> pd.Series:
    """The metric, and where it has one, its quantile or coordinate."""
    return rows["metric"].where(rows["at"].isna(), rows["metric"] + " at " + rows["at"].map("{:g}".format))


def _interval(group: pd.DataFrame) -> str:
    interval = mean_interval(group.groupby("draw")["value"].mean())
    spread = f" ± {interval.half_width:.3g} over {interval.size} draws" if interval.size > 1 else ""
    return f"{interval.mean:.6g}{spread}"
