"""Notes on means that are not to be trusted, as lines below a summary."""

from collections.abc import Sequence

import pandas as pd

from store.tables.run_length import named_points, run_length_note
from system.words import first_few

LARGEST_TRUSTED_LOAD = 0.9  # of the largest stable rate
MOST_NAMED = 4  # points that a note names
LOAD = "load_of_saturation"


def notes_on(rows: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return lines on means that are not to be trusted.

    They are those of short runs, and of theory near saturation.
    """
    return [*run_length_note(rows, axes), *near_saturation_note(rows, axes)]


def near_saturation_note(rows: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return a line on points that theory puts close to the largest stable rate.

    There the formulas for requests that slow each other are not to be trusted.
    """
    rows = rows[rows["metric"] == LOAD]
    loads = rows.groupby("point")["value"].max()
    near = loads[loads > LARGEST_TRUSTED_LOAD]
    if near.empty:
        return []
    points = rows.drop_duplicates("point").set_index("point")[list(axes)]
    words = named_points(points, near.map(lambda load: f"up to {load:.2f}"))
    return [
        f"    note: {len(near)} of {len(loads)} points of evaluator=interference lie above {LARGEST_TRUSTED_LOAD:g} of "
        f"the largest stable rate, where it is not to be trusted: {'; '.join(first_few(words, MOST_NAMED))}"
    ]
