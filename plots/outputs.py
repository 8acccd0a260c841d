"""The outputs of plot.py.

They are the figures of experiments, the ledger of claims, the figure of the benchmarks, the reference rows and the
report.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from plots.benchmarks import BENCHMARKS, TABLE, write_benchmarks
from plots.claims.ledger import CLAIMS, write_claims
from plots.claims.rules import claims
from plots.drawing.appearance import AS_DRAWN, Appearance
from plots.files import NOTHING, module_of, write_card, write_figure
from plots.report.page import REPORT, write_report
from plots.stamps import Made, Output, hash_of
from store.commands.summary import reasons, summary_line
from store.disk.store import ROW_SCHEMA, Store, configured_name
from store.tables.precision import reached_precision, widest_interval
from store.tables.reading import Results, load_results
from store.tables.reference import how_made, write_reference
from store.tables.run_length import run_length_note


@dataclass(frozen=True)
class Experiment:
    """An experiment in a store.

    Its record and rows are read once and cached; the cache is not sent to other processes.
    """

    name: str
    store: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return Experiment, (self.name, self.store)

    @cached_property
    def sweep(self) -> dict[str, Any]:
        """Return the record of its last sweep."""
        return Store(self.store).experiment(self.name)

    @cached_property
    def results(self) -> Results:
        """Return its rows and points."""
        return load_results(self.name, self.store)

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of its rows, points and record."""
        rows, points = self.results
        digest = hashlib.sha256(json.dumps({**self.sweep, "points": list(points)}, sort_keys=True).encode())
        for table in (rows[ROW_SCHEMA.names], points.drop(columns="duration_s")):
            digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ExperimentFigure:
    """The figure of an experiment, and the card that goes with it."""

    experiment: Experiment
    folder: Path
    appearance: Appearance

    @property
    def name(self) -> str:
        """Return the name of the experiment."""
        return self.experiment.name

    def inputs(self) -> str:
        """Return a hash of the results, the drawing code and the appearance."""
        module = module_of(self.name)
        modules = [write_figure.__module__, *([module.__name__] if module else [])]
        return hash_of(modules, self.name, self.experiment.fingerprint, self.appearance.facts())

    def make(self) -> Made:
        """Draw the figure and write the card.

        The card is written even if the figure cannot be drawn.
        """
        sweep, rows = self.experiment.sweep, self.experiment.results.rows
        made = write_figure(self.name, sweep, rows, self.folder, self.appearance)
        return Made(made.outcome, [*made.files, *write_card(self.name, sweep, rows, self.folder)])

    def lines(self, made: Made, note: str) -> str:
        """Return a summary with the file of the figure.

        It counts the points and names the widest interval. Without a figure the summary says why there is none.
        """
        sweep, (rows, points) = self.experiment.sweep, self.experiment.results
        where = made.outcome or f"{made.files[0]}{note}"
        cards = [f"    card: {path}" for path in made.files if path.suffix == ".md"]
        axes = sweep["axes"]
        notes = reached_precision(rows, axes, sweep) or widest_interval(rows, axes, sweep["draws"])
        notes += run_length_note(rows, axes)
        why = reasons(points) if made.outcome == NOTHING else []
        return "\n".join([f"{summary_line(self.name, sweep['fixed'], points)}; {where}", *cards, *notes, *why])


@dataclass(frozen=True)
class Ledger:
    """The ledger of claims.

    Its `basis` are the experiments in the store that claims are about.
    """

    store: Path
    basis: Sequence[Experiment]
    folder: Path
    name: str = CLAIMS

    def inputs(self) -> str:
        """Return a hash of its experiments' results and the rules."""
        results = [(experiment.name, experiment.fingerprint) for experiment in self.basis]
        return hash_of([write_claims.__module__], results)

    def make(self) -> Made:
        """Judge the claims and write the ledger."""
        return write_claims(self.store, self.folder)

    def lines(self, made: Made, note: str) -> str:
        """Return the counts of verdicts, and the ledger's file."""
        where = f"; {made.files[-1]}{note}" if made.files else ""
        return f"{self.name:22} {made.outcome}{where}"


@dataclass(frozen=True)
class BenchmarkFigure:
    """The figure of the committed benchmarks."""

    folder: Path
    table: Path = TABLE
    name: str = BENCHMARKS

    def inputs(self) -> str:
        """Return a hash of the table and the drawing code."""
        return hash_of([write_benchmarks.__module__], self.table.read_text() if self.table.is_file() else "")

    def make(self) -> Made:
        """Draw the table."""
        return write_benchmarks(self.folder, self.table)

    def lines(self, made: Made, note: str) -> str:
        """Return how many claims are met, and the figure's file."""
        return f"{self.name:22} {made.outcome}; {made.files[0]}{note}"


@dataclass(frozen=True)
class ReferenceRows:
    """The reference rows of experiments with their provenance, in a folder of their own."""

    store: Path
    experiments: Sequence[Experiment]
    folder: Path
    name: str = "reference rows"

    def inputs(self) -> str:
        """Return a hash of the results and their provenance."""
        names = [experiment.name for experiment in self.experiments]
        sources = [how_made(self.store, name) for name in names]
        fingerprints = [experiment.fingerprint for experiment in self.experiments]
        return hash_of([write_reference.__module__], str(self.folder.resolve()), names, sources, fingerprints)

    def make(self) -> Made:
        """Write the rows of each experiment and their provenance."""
        names = [experiment.name for experiment in self.experiments]
        return Made("", write_reference(self.store, names, self.folder))

    def lines(self, made: Made, note: str) -> str:
        """Return no line, as the figures have lines already."""
        return ""


@dataclass(frozen=True)
class Report:
    """The page of everything in a store."""

    store: Path
    folder: Path
    plans: Path
    name: str = REPORT

    def inputs(self) -> None:
        """Return None, as the page is made every time."""

    def make(self) -> Made:
        """Write the page."""
        return Made(write_report(self.store, self.folder, self.plans), [])

    def lines(self, made: Made, note: str) -> str:
        """Return the size and the file of the page."""
        return made.outcome


def outputs_of(
    names: Sequence[str],
    store: Path,
    folder: Path,
    plans: Path,
    rows: Path | None,
    appearance: Appearance = AS_DRAWN,
) -> list[Output]:
    """Return the outputs with these names.

    The appearance is that of the experiments' figures. With a folder for `rows`, the reference rows of the named
    experiments come first.
    """
    swept = {name: Experiment(name, store) for name in Store(store).experiment_names()}
    needed = {name for claim in claims() for name in claim.experiments}
    basis = [experiment for name, experiment in swept.items() if configured_name(name) in needed]
    others: dict[str, Output] = {
        CLAIMS: Ledger(store, basis, folder),
        BENCHMARKS: BenchmarkFigure(folder),
        REPORT: Report(store, folder, plans),
    }
    figures = {name: ExperimentFigure(swept.get(name) or Experiment(name, store), folder, appearance) for name in names}
    chosen = [others.get(name) or figures[name] for name in names]
    experiments = [swept[name] for name in sorted(set(names) & set(swept))]
    return chosen if rows is None else [ReferenceRows(store, experiments, rows), *chosen]
