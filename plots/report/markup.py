"""Tables and pictures as HTML that needs no other files.

A switch on the page shows one set of constants or both. Elements that belong to one set are marked `data-constants`.
Elements that exist once for each choice are marked `data-view`. The style sheet hides the elements that are not chosen.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from plots.claims.rules import SETS
from store.tables.labels import Labels
from system.pages.markup import Markup, framed_table, marks, wide

PIXELS_PER_INCH = 96  # in CSS


def table(frame: pd.DataFrame, caption: str, labels: Labels | None = None) -> Markup:
    """Return a table in a region that scrolls sideways.

    A row belongs to the set of constants that its cell in the column `constants` names. With `labels`, a column belongs
    to the set whose label ends the title of the column.
    """
    sets = [_set_of(str(column), labels) if labels else None for column in frame]
    heads = "".join(
        f'<th scope="col"{marks({"constants": name})}>{escape(str(column))}</th>'
        for column, name in zip(frame, sets, strict=True)
    )
    owners = frame["constants"] if "constants" in frame else [None] * len(frame)
    rows = "".join(_row(cells, sets, owner) for cells, owner in zip(frame.to_numpy(), owners, strict=True))
    return framed_table(heads, rows, caption)


def _set_of(title: str, labels: Labels) -> str | None:
    return next((name for name in SETS if f", {title}".endswith(f", {labels('constants', name)}")), None)


def _row(cells: Iterable[Any], sets: Sequence[str | None], owner: str | None) -> str:
    columns = zip(cells, sets, strict=True)
    elements = (f"<td{marks({'constants': name})}>{_text(cell)}</td>" for cell, name in columns)
    return f"<tr{marks({'constants': owner})}>{''.join(elements)}</tr>\n"


def _text(cell: Any) -> str:
    if isinstance(cell, Markup):
        return cell
    if pd.isna(cell):
        return ""
    return escape(f"{cell:.6g}" if isinstance(cell, float) else str(cell)).replace(" ± ", "&nbsp;±&nbsp;")


def drawing(figure: Figure, text: str, **data: str | None) -> Markup:
    """Return a figure as an SVG, and close the figure.

    Letters are drawn as outlines. `text` says what the figure shows.
    """
    content = BytesIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": text}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    width = figure.get_size_inches()[0] * PIXELS_PER_INCH
    plt.close(figure)
    return picture(content.getvalue(), text, f' style="--width: {width:.0f}px"', **data)


def picture(svg: bytes, text: str, style: str = "", **data: str | None) -> Markup:
    """Return an SVG as an image on the page.

    `text` says what it shows. Scripts inside an image are not run, and its element names cannot clash with those of the
    page.
    """
    source = f"data:image/svg+xml;base64,{b64encode(svg).decode()}"
    return wide(f'<img src="{source}" alt="{escape(text)}"{style}>', text, **data)
