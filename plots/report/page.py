"""The whole page of the report: ledger, experiments, benchmarks, plans and provenance."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from evaluators.points.metrics import metric_meanings
from plots import benchmarks
from plots.claims.evidence import gather
from plots.claims.rules import claims
from plots.claims.verdicts import judge
from plots.report.claims import ledger_of, settings_of, summary_of
from plots.report.experiment import group_of, section_of, title_of
from plots.report.markup import drawing, table
from plots.report.plans import plans_of
from store.disk.store import Store, configured_name
from store.tables.currency import current_only, outdated_note
from store.tables.meanings import whole_dictionary
from store.tables.reading import Results, results_of
from store.tables.reference import how_made
from system import InputError
from system.pages.assets import asset, common_style, sorting_script
from system.pages.markup import Markup

REPORT = "report"  # name of the report on the command line
Shown = tuple[str, dict[str, Any], Results, str]  # an experiment's name, view, results, and what is left out of them
FIRST = "waterfall"  # the experiment above the claims, as it explains the verdicts


def write_report(store: Path, folder: Path, plans: Path) -> str:
    """Write `report.html`; return a line with size and path.

    The page shows everything in a store and the plans in a folder. Raises `InputError` if the store has no experiment.
    """
    names = _in_groups(Store(store).experiment_names())
    if not names:
        raise InputError(
            f"store = {store}: has no experiment to report on; run `make reproduce` first, or name another store"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{REPORT}.html"
    path.write_text(report_page(store, names, plans), encoding="utf-8")
    return f"{REPORT:22} {len(names):4} experiments, {path.stat().st_size / 1e6:.1f} MB; {path}"


def report_page(store: Path, names: Sequence[str], plans: Path) -> str:
    """Return the page as text.

    It shows the experiments named, and all claims with the verdicts that the store allows.
    """
    evidence = gather(store)
    judgements = [judge(claim, evidence) for claim in claims()]
    planned = plans_of(plans)
    experiments = [_experiment(Store(store), name) for name in names]
    return Template(asset("plots.report", "page.html")).substitute(
        style=common_style() + asset("plots.report", "page.css"),
        script=sorting_script(),
        links=_links(names),
        plans_link='<li><a href="#plans">Plans</a></li>' if planned else "",
        summary=summary_of(judgements),
        settings=settings_of(),
        claims=ledger_of(judgements),
        explaining=_sections(one for one in experiments if _is_first(one[0])),
        experiments=_groups([one for one in experiments if not _is_first(one[0])]),
        benchmarks=_benchmarks(),
        plans=planned,
        provenance=_provenance(store, {name: results.points for name, _, results, _ in experiments}),
        dictionary=table(whole_dictionary(metric_meanings()), "Columns and metrics of the rows"),
    )


def _experiment(store: Store, name: str) -> Shown:
    """Return an experiment's name, view and results, and what is left out of them."""
    view = store.experiment(name)
    sweep = current_only(view)
    return name, sweep, results_of(store, sweep), outdated_note(store, name, view)


def _is_first(name: str) -> bool:
    """Return whether an experiment stands above the claims."""
    return configured_name(name) == FIRST


def _groups(experiments: Sequence[Shown]) -> Markup:
    """Return a section for each group of experiments, in order."""
    groups = dict.fromkeys(group_of(one[0]) for one in experiments)
    sections = (_sections(one for one in experiments if group_of(one[0]) == group) for group in groups)
    named = zip(groups, sections, strict=True)
    return Markup("".join(f"<section>\n<h2>{escape(group)}</h2>\n{shown}</section>\n" for group, shown in named))


def _sections(experiments: Iterable[Shown]) -> Markup:
    """Return the sections of some experiments."""
    return Markup("".join(section_of(*one) for one in experiments))


def _in_groups(names: Iterable[str]) -> list[str]:
    """Return the names group after group, beginning with the group of the paper's figures."""
    ordered = sorted(names, key=_as_in_the_paper)
    groups = list(dict.fromkeys(map(group_of, ordered)))
    return sorted(ordered, key=lambda name: groups.index(group_of(name)))


def _as_in_the_paper(name: str) -> tuple[bool, bool, str]:
    """Return a sort key that puts the paper's figures first.

    Its tables come next, then the rest.
    """
    return not name.startswith("fig"), not name.startswith("table"), name


def _links(names: Iterable[str]) -> str:
    return "\n".join(f'<li><a href="#{escape(name)}">{escape(title_of(name).heading)}</a></li>' for name in names)


def _benchmarks() -> Markup:
    """Return the committed benchmarks, with their machine.

    The caption names the machine.
    """
    measured = benchmarks.read_table(benchmarks.TABLE)
    figure = drawing(benchmarks.draw(measured), "Benchmarks: medians beside peers and claims")
    columns = [column for column in measured if column not in benchmarks.MACHINE]
    caption = f"{benchmarks.verdict(measured)}. Measured on {benchmarks.machine(measured)}."
    return Markup(figure + table(measured[columns], caption))


def _provenance(store: Path, points: Mapping[str, pd.DataFrame]) -> Markup:
    """Return the provenance, a line per experiment and machine kind."""
    lines = [
        {
            "experiment": name,
            "command": made["command"],
            "seeds": _listed(made["seeds"]),
            "commits": _listed(made["commits"]),
            "python": platform["python"],
            "packages": ", ".join(f"{package} {version}" for package, version in platform["packages"].items()),
            "processor": platform["processor"],
        }
        for name, made in ((name, how_made(store, name, of_name)) for name, of_name in points.items())
        for platform in made["platforms"]
    ]
    return table(
        pd.DataFrame(lines), "The command that makes the rows of an experiment again, and the machine they were made on"
    )


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
