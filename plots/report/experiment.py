"""Sections of the report, one for each experiment.

A section has a summary of the points, the figure for each choice of constants, and the rows.
"""

from collections.abc import Iterator, Mapping
from html import escape
from importlib import import_module
from typing import Any, NamedTuple

import pandas as pd

from plots.claims.rules import SETS
from plots.files import drawing_of, guarded, module_of, parts_of, try_to_draw
from plots.report.markup import drawing, table
from store.commands.summary import reasons, summary_line
from store.disk.store import configured_name, data_label
from store.tables.labels import Labels, labels_in
from store.tables.precision import widest_interval
from store.tables.reading import Results, axes_of, declared
from store.tables.reference import reference_rows
from system import InputError
from system.pages.markup import Markup, folded, paragraph

BOTH = "both"
OTHERS = "Other experiments"  # heading of those that no module draws


def section_of(name: str, sweep: Mapping[str, Any], results: Results, left_out: str = "") -> Markup:
    """Return the section of an experiment.

    Its drawings are those of the experiment's module: of the points that the experiment's own file declares and, if
    there are others, of all points. `left_out` says which points are not among the results.
    """
    rows, points = results
    labels = labels_in(sweep)
    heading, shows = title_of(name)
    summary = [summary_line(name, sweep["fixed"], points), *widest_interval(rows, axes_of(points))]
    summary += [f"left out: {left_out}"] if left_out else []
    others = reasons(points)
    parts = [
        f'<section class="experiment" id="{escape(name)}">\n<h3>{escape(heading)}</h3>\n',
        paragraph(shows),
        *(paragraph(f"This is {label}.") for label in data_label(name)),
        *_parts(name, shows, sweep, results),
        _constants_note(points, labels),
        f'<p class="summary">{"<br>".join(escape(line.strip()) for line in summary)}</p>\n',
        folded("Points without a mean", "".join(map(paragraph, others))) if others else "",
        folded("Rows", table(reference_rows(rows, points), f"Reference rows of {name}")) if len(rows) else "",
        "</section>\n",
    ]
    return Markup("".join(parts))


def _parts(name: str, shows: str, sweep: Mapping[str, Any], results: Results) -> Iterator[Markup]:
    """Yield the drawings of each part, or an error."""
    try:
        for file, only_declared in parts_of(name, results.points).items():
            if file != name:
                yield paragraph(f"{file}: all points, {', '.join(sweep['fixed'])} among them")
            chosen = declared(results) if only_declared else results
            yield from _drawings(name, shows, chosen, labels_in(sweep))
    except InputError as error:
        yield paragraph(f"not drawn: {error}")


class Title(NamedTuple):
    """A heading, and a sentence that says what the figure shows."""

    heading: str
    shows: str


def title_of(name: str) -> Title:
    """Return the title of an experiment.

    It is the summary of the module that draws the experiment, split at its first colon.
    """
    module = _usable_module(name)
    summary_lines = module.__doc__.partition("\n\n")[0] if module else name
    heading, _, shows = " ".join(summary_lines.split()).partition(": ")
    variant = ", on embedded data" if configured_name(name) != name else ""
    return Title(heading + variant, shows[:1].upper() + shows[1:])


def group_of(name: str) -> str:
    """Return the heading of the experiments whose figures are in the same folder.

    It is the summary of the folder's package, up to its first colon.
    """
    module = _usable_module(name)
    summary = import_module(module.__package__).__doc__ if module else None
    return summary.partition("\n\n")[0].partition(":")[0].rstrip(".") if summary else OTHERS


def _usable_module(name: str) -> Any:
    """Return the module that draws an experiment, or None.

    The section of the experiment says why it cannot be used.
    """
    try:
        return module_of(name)
    except InputError:
        return None


def _drawings(name: str, shows: str, results: Results, labels: Labels) -> Iterator[Markup]:
    """Yield an experiment's table, or else its figures.

    A module with the functions `table` and `note` has a table; else there is a figure for each choice of constants.
    """
    module = module_of(name)
    if hasattr(module, "table") and hasattr(module, "note"):
        made = try_to_draw(guarded(module.table, pd.DataFrame), results, labels)
        yield paragraph(made) if isinstance(made, str) else table(made, module.note(results).replace("\n", " "), labels)
        return
    for view, shown in _views(results).items():
        figure = try_to_draw(drawing_of(name), shown, labels)
        title = labels("constants", view) if view in SETS else ""
        text = f"{shows} {title.capitalize()}".strip()
        yield paragraph(figure, view=view) if isinstance(figure, str) else drawing(figure, text, view=view)


def _views(results: Results) -> dict[str, Results]:
    """Return the results under both sets, and under each set.

    The sets are those of constants. If the experiment does not have both sets, return all results under an empty name.
    """
    if _sets(results.points) < len(SETS):
        return {"": results}
    return {BOTH: results} | {name: _under(name, results) for name in SETS}


def _sets(points: pd.DataFrame) -> int:
    return points["constants"].nunique() if "constants" in points else 0


def _under(constants: str, results: Results) -> Results:
    """Return the results that belong to one set of constants.

    They include those that do not depend on the constants. These belong to points that have no counterpart under the
    other set.
    """
    rows, points = results
    others = [axis for axis in axes_of(points) if axis != "constants"]
    cells = pd.Series(list(map(tuple, points[others].astype(object).fillna("").to_numpy())), points.index)
    alone = points["constants"].groupby(cells).transform("nunique") == 1
    chosen = points[(points["constants"] == constants) | alone]
    return Results(rows[rows["point"].isin(chosen["point"])], chosen)


def _constants_note(points: pd.DataFrame, labels: Labels) -> str:
    """Return a note if the constants switch has no effect."""
    sets = _sets(points)
    if sets >= len(SETS):
        return ""
    reason = "this experiment does not vary the constants"
    if sets:
        reason = f"only the {labels('constants', points['constants'].iloc[0])} were run"
    return paragraph(f"The constants switch has no effect here: {reason}.", view="one set")
