"""Made-up results: rows with the points that they belong to, and claims with evidence for them."""

import numpy as np
import pandas as pd

from plots.claims.evidence import Evidence
from plots.claims.rules import claim_of, claim_rules
from store.tables.labels import Labels
from store.tables.reading import MEASURED, Results, with_numbers

OF_ROWS = ("point", *MEASURED, "status", "draws")
CONSTANTS = "constants"
LABELS = Labels({"scheme": {"fast": "the fast scheme"}, CONSTANTS: {"simulator": "constants of the simulator"}})


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


def evidence(values, metric="response_mean_s", status=None, axes=("scheme", "load"), constants="paper"):
    """Return an experiment with a point for each key of `values`.

    The keys are the values of the axes. The numbers of a key are those of the point, one for each draw.
    """
    points, rows = [], []
    for number, (key, numbers) in enumerate(values.items()):
        point = {"point": str(number), **dict(zip(axes, key, strict=True)), CONSTANTS: constants}
        point["status"] = (status or {}).get(key, "ok")
        points.append(point | {"reason": "", "duration_s": 0.0})
        for draw, value in enumerate(numbers):
            coordinates = value.items() if isinstance(value, dict) else [(np.nan, value)]
            row = {**point, "draws": max(map(len, values.values())), "draw": draw, "metric": metric}
            rows += [row | {"at": coordinate, "value": single} for coordinate, single in coordinates]
    measured, listed = (with_numbers(pd.DataFrame(table), [*axes, CONSTANTS]) for table in (rows, points))
    return {"x": Evidence("x", measured.assign(replication=0), listed, LABELS, claim_rules().draws)}


def claim(tests=(), published=None, slowing=None, conditions=None, holds="", fails="", none="", **content):
    """Return a claim whose tests of the text's setting are given as plain containers."""
    text = {"holds": holds, "fails": fails} | ({"none": none} if none else {"tests": list(tests)})
    text |= {"conditions": conditions} if conditions else {}
    settings = {"published": published or {"none": "No code was published."}, "text": text}
    settings |= {"slowing": slowing} if slowing else {}
    return claim_of({"id": "C0", "claim": "c", "source": "s", "published": "p", "settings": settings} | content)
