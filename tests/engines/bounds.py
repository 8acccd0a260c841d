"""Check of what `experiment=engines` measured beside its predictions, with loose bounds: `... EXPERIMENT [STORE]`.

The bounds are relative and must hold on a busy machine, too. The card has the errors themselves.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from plots.figures.beyond.engines import ENGINES, MEAN, relative_errors
from store.disk.store import Store
from store.tables.labels import labels_in
from store.tables.reading import load_results

FACTOR = 3.0  # between measured and simulated mean response, at any point
MEDIAN = 1.6  # the same, in the median over all points


def faults(experiment: str, store: str = "outputs/store") -> list[str]:
    """Return what is missing or out of bounds, as lines."""
    results = load_results(experiment, store)
    errors = relative_errors(results.rows, labels_in(Store(Path(store)).experiment(experiment)))
    return [*_of_runs(results.points, results.rows), *_of_errors(errors)]


def _of_runs(points: pd.DataFrame, rows: pd.DataFrame) -> Iterator[str]:
    runs = points[points["evaluator"].isin(ENGINES)]
    if runs.empty or (runs["status"] != "ok").any():
        yield f"{(runs['status'] != 'ok').sum()} of {len(runs)} runs of engines have no numbers"
    failed = rows.loc[rows["metric"] == "failed_jobs", "value"].sum()
    if failed > 0:
        yield f"{failed:g} jobs failed"


def _of_errors(errors: pd.DataFrame) -> Iterator[str]:
    means = errors[errors["time"] == MEAN]
    for kind in (str(kind) for kind in means if str(kind).endswith("simulation")):
        factors = (1 + means[kind].dropna()).map(lambda ratio: max(ratio, 1 / ratio))
        if factors.empty or factors.max() > FACTOR or factors.median() > MEDIAN:
            yield f"{kind}: a factor of {factors.max():.1f} off the measured mean, {factors.median():.1f} in the median"


if __name__ == "__main__":
    sys.exit("\n".join(faults(*sys.argv[1:])) or 0)
