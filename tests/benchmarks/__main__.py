"""`python -m tests.benchmarks` from the project's root: the table on stdout and in results/benchmarks.csv."""

import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd

from store.disk.provenance import current_provenance
from system.code.source import ROOT
from tests.benchmarks.composition import composition_benchmarks
from tests.benchmarks.formulas import formula_benchmarks
from tests.benchmarks.processes import process_benchmarks
from tests.benchmarks.routing import routing_benchmarks
from tests.benchmarks.scale import FULL, Scale
from tests.benchmarks.simulator import simulator_benchmarks
from tests.benchmarks.steps import step_benchmarks
from tests.benchmarks.support.benchmark import Benchmark, Result, measure_all


def benchmarks(scale: Scale) -> list[Benchmark]:
    """All of them."""
    return [
        *simulator_benchmarks(scale),
        *step_benchmarks(scale),
        *routing_benchmarks(scale),
        *formula_benchmarks(scale),
        *composition_benchmarks(scale),
        *process_benchmarks(scale),
    ]


def table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a benchmark; cells without a peer or a claim are empty."""
    return pd.DataFrame([_row(result) for result in results])


def _row(result: Result) -> dict[str, Any]:
    benchmark, peer = result.benchmark, result.benchmark.peer
    return {
        "name": benchmark.name,
        "measures": benchmark.measures,
        "unit": benchmark.unit,
        "median": result.median,
        "peer": peer.name if peer else None,
        "peer_median": result.peer_median,
        "ratio": result.ratio,
        "claim": _claim(benchmark),
        "met": {True: "yes", False: "no", None: None}[result.is_met],
    }


def _claim(benchmark: Benchmark) -> str | None:
    """What is claimed of the median, or else of the ratio."""
    if benchmark.bound is not None:
        return f"{'>=' if benchmark.more_is_better else '<='} {benchmark.bound:g} {benchmark.unit}"
    if benchmark.peer and benchmark.peer.least_ratio is not None:
        return f">= {benchmark.peer.least_ratio:g} times the peer"
    return None


def _environment() -> dict[str, Any]:
    """What the numbers were measured on; the machine's name says nothing to others."""
    facts = current_provenance()
    machine = {key: value for key, value in facts["machine"].items() if key != "name"}
    packages = {key: facts["packages"][key] for key in ("numba", "numpy")}
    return {**machine, "python": facts["python"], **packages, "commit": facts["commit"]}


def main() -> None:
    rows = table(measure_all(benchmarks(FULL), FULL.repetitions))
    sys.stdout.write(rows.to_string(index=False, na_rep="", float_format="{:.3g}".format) + "\n")
    path = ROOT / "results" / "benchmarks.csv"
    path.parent.mkdir(exist_ok=True)
    rows.assign(**_environment()).to_csv(path, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
