"""The outputs of plot.py.

They are the figures of experiments, the ledger of claims, the figure of the benchmarks, the reference rows and the
report.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from plots.benchmarks import BENCHMARKS, TABLE, write_benchmarks
from plots.claims.ledger import CLAIMS, verdict_lines, write_claims
from plots.claims.rules import claims
from plots.drawing.panels import absent
from plots.files import NOTHING, PLAIN, Request, Subject, module_of, parts_of, write_card, write_figure
from plots.report.page import REPORT, write_report
from plots.stamps import Made, Output, Stamps, hash_of
from store.commands.summary import reasons, summary_line
from store.disk.rows import SCHEMA
from store.disk.store import Store, configured_name, data_label
from store.tables.currency import current_only, outdated_note
from store.tables.filtered import matching
from store.tables.notes import notes_on
from store.tables.precision import reached_precision, widest_interval
from store.tables.reading import OWN, Results, axes_of, declared, results_of
from store.tables.reference import how_made, write_reference


@dataclass(frozen=True)
class Experiment:
    """An experiment in a store.

    Its record and rows are read once and cached; the cache is not sent to other processes.
    """

    name: str
    store: Path
    outdated: bool = False  # whether points that other code computed are among its points

    def __reduce__(self) -> tuple[Any, ...]:
        return Experiment, (self.name, self.store, self.outdated)

    @cached_property
    def sweep(self) -> dict[str, Any]:
        """Return the view over its sweeps."""
        return self._view if self.outdated else current_only(self._view)

    @cached_property
    def _view(self) -> dict[str, Any]:
        return Store(self.store).experiment(self.name)

    @cached_property
    def results(self) -> Results:
        """Return its rows and points."""
        return results_of(Store(self.store), self.sweep)

    @cached_property
    def outdated_lines(self) -> list[str]:
        """Return a line on points that other code computed."""
        note = outdated_note(Store(self.store), self.name, self._view)
        treated = "drawn" if self.outdated else "left out"
        remedy = "" if self.outdated else "; run their sweep again or pass --outdated"
        return [f"    {treated}: {note}{remedy}"] if note else []

    def fingerprint(self, results: Results) -> str:
        """Return a hash of its record and of results."""
        rows, points = results
        digest = hashlib.sha256(json.dumps({**self.sweep, "points": list(points)}, sort_keys=True).encode())
        for table in (rows[SCHEMA.names], points.drop(columns="duration_s")):
            digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ExperimentFigure:
    """The figure of an experiment, and the card that goes with it.

    It shows only the points that the experiment's own file declares, or all points. `name` is that of its files.
    """

    experiment: Experiment
    folder: Path
    name: str
    only_declared: bool
    request: Request = PLAIN

    @property
    def subject(self) -> Subject:
        """Return what is drawn."""
        everything = self.experiment.results
        results = declared(everything) if self.only_declared else everything
        chosen = matching(results, {axis: list(values) for axis, values in self.request.where})
        return Subject(self.experiment.name, self.experiment.sweep, chosen, self.name)

    @property
    def title(self) -> str:
        """Return the settings of the command line, if any."""
        where = [f"{axis} = {', '.join(values)}" for axis, values in self.request.where]
        return "" if self.only_declared else ", ".join([*self.experiment.sweep["fixed"], *where])

    def inputs(self) -> str:
        """Return a hash of the results, the drawing code and the appearance."""
        module = module_of(self.request.like or self.experiment.name)
        modules = [write_figure.__module__, *([module.__name__] if module else [])]
        results = self.experiment.fingerprint(self.subject.results)
        wishes = [self.request[:-1], self.request.appearance.facts()]
        return hash_of(modules, self.name, self.title, wishes, results)

    def make(self) -> Made:
        """Draw the figure and write the card.

        The card is written even if the figure cannot be drawn.
        """
        subject = self.subject
        made = write_figure(subject, self.folder, self.title, self.request)
        return Made(made.outcome, [*made.files, *write_card(subject, self.folder, self.request.like)])

    def lines(self, made: Made, note: str) -> str:
        """Return a summary with the file of the figure.

        It counts the points and names the widest interval. Without a figure the summary says why there is none.
        """
        subject = self.subject
        rows, points = subject.results
        where = made.outcome or f"{made.files[0]}{note}"
        labels = [f"    {label}" for label in data_label(self.experiment.name)]
        cards = [f"    card: {path}" for path in made.files[1:] if path.suffix == ".md"]
        why = reasons(points) if made.outcome == NOTHING else []
        lacking = [f"    without any result: {choice}" for choice in absent(subject.results, subject.labels)]
        summary = f"{summary_line(self.name, [self.title] if self.title else [], points)}; {where}"
        axes = axes_of(points)
        notes = reached_precision(rows, axes, self.experiment.sweep) or widest_interval(rows, axes)
        notes += self.experiment.outdated_lines
        return "\n".join([summary, *labels, *cards, *notes, *notes_on(rows, axes), *(why or lacking)])


def figures_of(experiment: Experiment, folder: Path, file: str, request: Request) -> list[ExperimentFigure]:
    """Return the figures of an experiment.

    They are those of `parts_of`, or the one that the command line asks for.
    """
    if file or not request.is_plain:
        return [ExperimentFigure(experiment, folder, file or f"{experiment.name}{OWN}", False, request)]
    parts = parts_of(experiment.name, experiment.results.points)
    return [ExperimentFigure(experiment, folder, name, only_declared, request) for name, only_declared in parts.items()]


def files_by_experiment(outputs: Iterable[Output], stamps: Stamps) -> dict[str, list[Path]]:
    """Return the files of the figures of each experiment."""
    files: dict[str, list[Path]] = {}
    for output in outputs:
        if isinstance(output, ExperimentFigure):
            files.setdefault(output.experiment.name, []).extend(stamps.files_of(output.name))
    return files


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
        results = [(experiment.name, experiment.fingerprint(experiment.results)) for experiment in self.basis]
        return hash_of([write_claims.__module__], results)

    def make(self) -> Made:
        """Judge the claims and write the ledger."""
        return write_claims(self.store, self.folder)

    def lines(self, made: Made, note: str) -> str:
        """Return the counts of verdicts, the ledger's file, and a table of all verdicts."""
        where = f"; {made.files[-1]}{note}" if made.files else ""
        notes = [line for experiment in self.basis for line in experiment.outdated_lines]
        verdicts = ["", *verdict_lines(made.files[0])] if made.files else []
        return "\n".join([f"{self.name:22} {made.outcome}{where}", *notes, *verdicts])


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
        sources = [how_made(self.store, item.name, item.results.points) for item in self.experiments]
        fingerprints = [experiment.fingerprint(experiment.results) for experiment in self.experiments]
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
    request: Request = PLAIN,
    file: str = "",
) -> list[Output]:
    """Return the outputs with these names.

    With a folder for `rows`, the reference rows of the named experiments come first. `request` is for experiments, and
    `file` is the name of the files of one.
    """
    swept = {name: Experiment(name, store) for name in Store(store).experiment_names()}
    needed = {name for claim in claims() for name in claim.experiments}
    basis = [experiment for name, experiment in swept.items() if configured_name(name) in needed]
    others: dict[str, Output] = {
        CLAIMS: Ledger(store, basis, folder),
        BENCHMARKS: BenchmarkFigure(folder),
        REPORT: Report(store, folder, plans),
    }
    drawn = {name: replace(item, outdated=True) for name, item in swept.items()} if request.outdated else swept
    chosen: list[Output] = []
    for name in names:
        chosen += [others[name]] if name in others else figures_of(drawn[name], folder, file, request)
    experiments = [swept[name] for name in sorted(set(names) & set(swept))]
    return chosen if rows is None else [ReferenceRows(store, experiments, rows), *chosen]
