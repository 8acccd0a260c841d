"""An experiment as a section of the report: what came of it, its figure for each choice of constants, and its rows."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from plots.claims.rules import SETS
from plots.files import NOTHING, attempt, module_of
from plots.report.markup import Markup, drawing, folded, paragraph, table
from store.commands.summary import reasons, summary_line
from store.disk.outcome import Outcome
from store.tables.labels import Labels, labels_in
from store.tables.precision import widest_interval
from store.tables.reading import Results
from store.tables.reference import reference_rows

BOTH = "both"


def section_of(name: str, sweep: Mapping[str, Any], results: Results) -> Markup:
    """One experiment with the drawings that its module in `plots` makes."""
    rows, points = results
    labels = labels_in(sweep)
    heading, shows = title_of(name)
    told = [summary_line(name, sweep["fixed"], points), *widest_interval(rows, sweep["axes"], sweep["draws"])]
    others = reasons(points)
    parts = [
        f'<section class="experiment" id="{escape(name)}">\n<h3>{escape(heading)}</h3>\n',
        paragraph(shows),
        *_drawings(name, shows, results, sweep["draws"], labels),
        _constants_note(points, labels),
        f'<p class="told">{"<br>".join(escape(line.strip()) for line in told)}</p>\n',
        folded("Points without a mean", "".join(map(paragraph, others))) if others else "",
        folded("Rows", table(reference_rows(rows, points), f"Reference rows of {name}")) if len(rows) else "",
        "</section>\n",
    ]
    return Markup("".join(parts))


class Title(NamedTuple):
    """A heading, and a sentence on what is shown."""

    heading: str
    shows: str


def title_of(name: str) -> Title:
    """The first paragraph of the docstring of the module that draws an experiment, parted at its colon."""
    module = module_of(name)
    summary_lines = module.__doc__.partition("\n\n")[0] if module else name
    heading, _, shows = " ".join(summary_lines.split()).partition(": ")
    variant = ", without any data set" if name.endswith("_embedded") else ""
    return Title(heading + variant, shows[:1].upper() + shows[1:])


def _drawings(name: str, shows: str, results: Results, draws: int, labels: Labels) -> Iterator[Markup]:
    """Yield the table that a module offers, else its figure for each choice of constants."""
    module = module_of(name)
    if module is None:
        yield paragraph(NOTHING)
    elif hasattr(module, "table"):
        made = attempt(module.table, results.rows, draws, labels)
        note = module.NOTE.format(draws=draws).replace("\n", " ")
        yield paragraph(made) if isinstance(made, str) else table(made, note, labels)
    else:
        for view, rows in _views(results).items():
            figure = attempt(module.draw, rows, draws, labels)
            title = labels("constants", view) if view in SETS else ""
            text = f"{shows} {title.capitalize()}".strip()
            yield paragraph(figure, view=view) if isinstance(figure, str) else drawing(figure, text, view=view)


def _views(results: Results) -> dict[str, pd.DataFrame]:
    """The rows under both sets of constants and under each; all of them as they are where there is one set."""
    rows, points = results
    if _sets(points) < len(SETS):
        return {"": rows}
    return {BOTH: rows} | {name: _under(name, rows, points) for name in SETS}


def _sets(points: pd.DataFrame) -> int:
    return points["constants"].nunique() if "constants" in points else 0


def _under(constants: str, rows: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """The rows of one set, and those of points that have no counterpart under the other: no constants change these."""
    others = [axis for axis in points if axis not in ("point", "constants", *Outcome._fields)]
    cells = pd.Series(list(map(tuple, points[others].fillna("").to_numpy())))
    alone = points["constants"].groupby(cells).transform("nunique") == 1
    return rows[(rows["constants"] == constants) | rows["point"].isin(points.loc[alone, "point"])]


def _constants_note(points: pd.DataFrame, labels: Labels) -> str:
    """Return where the switch changes nothing, and why."""
    sets = _sets(points)
    if sets >= len(SETS):
        return ""
    why = f"only the {labels('constants', points['constants'].iloc[0])} were run" if sets else "they are no axis of it"
    return paragraph(f"The switch of constants changes nothing here: {why}.", view="one set")
