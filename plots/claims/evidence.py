"""Evidence for claims: the results of the experiments that their tests read."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from plots.claims.rules import claims
from store.disk.store import EMBEDDED, Store, data_label
from store.tables.currency import current_only
from store.tables.labels import Labels, joined, labels_in
from store.tables.reading import declared, load_records, results_of, sizes_of
from system.words import counted


class Evidence(NamedTuple):
    """The results of an experiment, or of its embedded variant."""

    name: str  # under which it was swept
    rows: pd.DataFrame  # of the points that the experiment declares, as from `store.tables.reading.load`
    points: pd.DataFrame  # the same points, as from `store.tables.reading.load_points`
    labels: Labels = Labels()
    draws: int = 0  # the least number of draws of a point
    declared_count: int = 0  # number of points that the experiment declares


def gather(store: Path) -> dict[str, Evidence]:
    """Return the results of the experiments that claims need.

    Only points that an experiment's own file declares count: others are not of the paper's setting. Experiments that
    the store does not have are left out. The embedded variant stands in for an experiment without results of its own.
    """
    opened = Store(store)
    swept = set(opened.experiment_names())
    evidence: dict[str, Evidence] = {}
    for name in sorted({name for claim in claims() for name in claim.experiments}):
        variants = [variant for variant in (name, f"{name}{EMBEDDED}") if variant in swept]
        for variant in variants:
            results = _evidence(opened, variant)
            evidence.setdefault(name, results)
            if not results.rows.empty:
                evidence[name] = results
                break
    return evidence


def _evidence(store: Store, experiment: str) -> Evidence:
    sweep = store.experiment(experiment)
    rows, points = declared(results_of(store, current_only(sweep)))
    sizes = sizes_of(sweep)
    draws = min((sizes[point][0] for point in points["point"]), default=0)
    return Evidence(experiment, rows, points, labels_in(sweep), draws, sweep["declared_count"])


def labels_of(evidence: Iterable[Evidence]) -> Labels:
    """Return the labels of several experiments together."""
    return joined(results.labels for results in evidence)


def basis_of(store: Path, evidence: Evidence) -> str:
    """Return the draws, networks and workloads of an experiment's points in a line.

    The line has the label of embedded data, if there is any.
    """
    records = load_records(evidence.name, store)
    cases = [record["configuration"] for point in evidence.points["point"] for record in records[point][:1]]
    networks = sorted({_source_of(case["cluster"].get("network", case["cluster"])) for case in cases})
    workloads = sorted({_source_of(case["workload"]) for case in cases})
    draws = counted(evidence.draws, "draw")
    sources = f"network {', '.join(networks)}; workload {', '.join(workloads)}"
    return "; ".join([f"{evidence.name}: {draws}", sources, *data_label(evidence.name)])


def _source_of(part: Mapping[str, Any]) -> str:
    """Return a network or workload in words: class and data set."""
    dataset = part.get("dataset")
    kind = str(part["_target_"]).rsplit(".", 1)[-1]
    return f"{kind} of {dataset['name']}" if dataset else kind
