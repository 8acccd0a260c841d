"""Made-up results: rows with the points that they belong to."""

import pandas as pd

from store.tables.reading import MEASURED, Results, with_numbers

OF_ROWS = ("point", *MEASURED, "status", "draws")


def results_of(rows, refused=()):
    """Return rows, with numbers as numbers, and their points.

    `refused` are points without rows: dictionaries of the values of axes, `status` and `draws`.
    """
    axes = [axis for axis in rows if axis not in OF_ROWS]
    points = pd.concat([rows[["point", *axes, "status", "draws"]].drop_duplicates("point"), pd.DataFrame(refused)])
    points = points.assign(reason="", duration_s=1.0, varies=True, replications=1, is_declared=True).reset_index(
        drop=True
    )
    return Results(with_numbers(rows, axes), with_numbers(points, axes))
