"""Run all benchmarks with `python -m tests.benchmarks` from the root of the project.

The table is printed and written to results/benchmarks.csv.
"""

import sys
from collections.abc import Sequence
from typing import Any

import pandas as pd

from store.disk.provenance import current_provenance
from system.code.source import ROOT
from system.command.boundary import ends_in_one_sentence
from tests.benchmarks.cases.composition import composition_benchmarks
from tests.benchmarks.cases.formulas import formula_benchmarks
from tests.benchmarks.cases.processes import process_benchmarks
from tests.benchmarks.cases.routing import routing_benchmarks
from tests.benchmarks.cases.simulator import simulator_benchmarks
from tests.benchmarks.cases.steps import step_benchmarks
from tests.benchmarks.support.benchmark import Benchmark, Result, measure_all
from tests.benchmarks.support.scale import FULL, Scale


def benchmarks(scale: Scale) -> list[Benchmark]:
    """Return all benchmarks at a scale."""
    return [
        *simulator_benchmarks(scale),
        *step_benchmarks(scale),
        *routing_benchmarks(scale),
        *formula_benchmarks(scale),
        *composition_benchmarks(scale),
        *process_benchmarks(scale),
    ]


def table(results: Sequence[Result]) -> pd.DataFrame:
    """Return a table with a row for each benchmark.

    Cells for a peer or a claim are empty if the benchmark has none.
    """
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
    """Return the claim of a benchmark in words, if any.

    It is about the median, or else about the ratio to the peer.
    """
    if benchmark.bound is not None:
        return f"{'>=' if benchmark.more_is_better else '<='} {benchmark.bound:g} {benchmark.unit}"
    if benchmark.peer and benchmark.peer.least_ratio is not None:
        return f">= {benchmark.peer.least_ratio:g} times the peer"
    return None


def _environment() -> dict[str, Any]:
    """Return the machine, packages and commit of the measurements.

    The name of the machine is left out, as it tells others nothing.
    """
    facts = current_provenance()
    machine = {key: value for key, value in facts["machine"].items() if key != "name"}
    packages = {key: facts["packages"][key] for key in ("numba", "numpy")}
    return {**machine, "python": facts["python"], **packages, "commit": facts["commit"]}


def main() -> None:
    """Measure all benchmarks, then print and write the table."""
    rows = table(measure_all(benchmarks(FULL), FULL.repetitions))
    sys.stdout.write(rows.to_string(index=False, na_rep="", float_format="{:.3g}".format) + "\n")
    path = ROOT / "results" / "benchmarks.csv"
    path.parent.mkdir(exist_ok=True)
    rows.assign(**_environment()).to_csv(path, index=False, float_format="%.4g")


if __name__ == "__main__":
    with ends_in_one_sentence():
        main()
