"""Sections of the report, one for each experiment.

A section has a summary of the points, the figure for each choice of constants, and the rows.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from plots.claims.rules import SETS
from plots.files import NOTHING, module_of, try_to_draw
from plots.report.markup import Markup, drawing, folded, paragraph, table
from store.commands.summary import reasons, summary_line
from store.disk.store import configured_name
from store.tables.labels import Labels, labels_in
from store.tables.precision import widest_interval
from store.tables.reading import Results, axes_of
from store.tables.reference import reference_rows

BOTH = "both"


def section_of(name: str, sweep: Mapping[str, Any], results: Results, left_out: str = "") -> Markup:
    """Return the section of an experiment.

    Its drawings are those of the experiment's module. `left_out` says which points are not among the results.
    """
    rows, points = results
    labels = labels_in(sweep)
    heading, shows = title_of(name)
    summary = [summary_line(name, sweep["fixed"], points), *widest_interval(rows, sweep["axes"], sweep["draws"])]
    summary += [f"left out: {left_out}"] if left_out else []
    others = reasons(points)
    parts = [
        f'<section class="experiment" id="{escape(name)}">\n<h3>{escape(heading)}</h3>\n',
        paragraph(shows),
        *_drawings(name, shows, results, sweep["draws"], labels),
        _constants_note(points, labels),
        f'<p class="summary">{"<br>".join(escape(line.strip()) for line in summary)}</p>\n',
        folded("Points without a mean", "".join(map(paragraph, others))) if others else "",
        folded("Rows", table(reference_rows(rows, points), f"Reference rows of {name}")) if len(rows) else "",
        "</section>\n",
    ]
    return Markup("".join(parts))


class Title(NamedTuple):
    """A heading, and a sentence that says what the figure shows."""

    heading: str
    shows: str


def title_of(name: str) -> Title:
    """Return the title of an experiment.

    It is the summary of the module that draws the experiment, split at its first colon.
    """
    module = module_of(name)
    summary_lines = module.__doc__.partition("\n\n")[0] if module else name
    heading, _, shows = " ".join(summary_lines.split()).partition(": ")
    variant = ", without any data set" if configured_name(name) != name else ""
    return Title(heading + variant, shows[:1].upper() + shows[1:])


def _drawings(name: str, shows: str, results: Results, draws: int, labels: Labels) -> Iterator[Markup]:
    """Yield an experiment's table, or else its figures.

    A module with a `table` function has a table; else there is a figure for each choice of constants.
    """
    module = module_of(name)
    if module is None:
        yield paragraph(NOTHING)
    elif hasattr(module, "table"):
        made = try_to_draw(module.table, results.rows, draws, labels)
        note = module.NOTE.format(draws=draws).replace("\n", " ")
        yield paragraph(made) if isinstance(made, str) else table(made, note, labels)
    else:
        for view, rows in _views(results).items():
            figure = try_to_draw(module.draw, rows, draws, labels)
            title = labels("constants", view) if view in SETS else ""
            text = f"{shows} {title.capitalize()}".strip()
            yield paragraph(figure, view=view) if isinstance(figure, str) else drawing(figure, text, view=view)


def _views(results: Results) -> dict[str, pd.DataFrame]:
    """Return the rows under both sets, and under each set.

    The sets are those of constants. If the experiment does not have both sets, return all rows under an empty name.
    """
    rows, points = results
    if _sets(points) < len(SETS):
        return {"": rows}
    return {BOTH: rows} | {name: _under(name, rows, points) for name in SETS}


def _sets(points: pd.DataFrame) -> int:
    return points["constants"].nunique() if "constants" in points else 0


def _under(constants: str, rows: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that belong to one set of constants.

    They include rows that do not depend on the constants. These rows belong to points that have no counterpart under
    the other set.
    """
    others = [axis for axis in axes_of(points) if axis != "constants"]
    cells = pd.Series(list(map(tuple, points[others].fillna("").to_numpy())))
    alone = points["constants"].groupby(cells).transform("nunique") == 1
    return rows[(rows["constants"] == constants) | rows["point"].isin(points.loc[alone, "point"])]


def _constants_note(points: pd.DataFrame, labels: Labels) -> str:
    """Return a note if the constants switch has no effect."""
    sets = _sets(points)
    if sets >= len(SETS):
        return ""
    reason = "this experiment does not vary the constants"
    if sets:
        reason = f"only the {labels('constants', points['constants'].iloc[0])} were run"
    return paragraph(f"The constants switch has no effect here: {reason}.", view="one set")
