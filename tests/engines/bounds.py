"""Check of what `experiment=engines` measured beside its predictions, with loose bounds: `... EXPERIMENT [STORE]`.

The profile may be of another machine, so what all points have in common may be far off, and the points differ from that
by less. The card has the errors themselves.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from plots.figures.beyond.engines import ENGINES, MEAN, relative_errors
from store.disk.store import Store
from store.tables.labels import labels_in
from store.tables.reading import load_results

MEDIAN = 4.0  # between measured and simulated mean response, in the median over all points
FACTOR = 3.0  # between that median and any point


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
        ratios = 1 + means[kind].dropna()
        common = ratios.median()
        apart = max(ratios.max() / common, common / ratios.min())
        if not (1 / MEDIAN <= common <= MEDIAN and apart <= FACTOR):
            yield (
                f"{kind}: {common:.2f} times the measured mean response in the median, and single points are a factor "
                f"of {apart:.1f} from that; is the machine idle, and the profile of such a machine?"
            )


if __name__ == "__main__":
    sys.exit("\n".join(faults(*sys.argv[1:])) or 0)
