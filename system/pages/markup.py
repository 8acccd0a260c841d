"""Text, tables and regions as HTML.

Plain text is escaped; `Markup` is HTML already.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

LONG = 40  # characters of a cell that needs room


class Markup(str):
    """Text that is HTML already and must not be escaped."""


def html_of(text: str) -> Markup:
    """Return plain text as HTML, and markup as it is."""
    return text if isinstance(text, Markup) else Markup(escape(text))


def joined(parts: Iterable[str]) -> Markup:
    """Return parts one after another; plain text is escaped."""
    return Markup("".join(map(html_of, parts)))


def marks(data: Mapping[str, str | None]) -> Markup:
    """Return `data-` attributes; those without a value are left out."""
    return Markup("".join(f' data-{key}="{escape(value)}"' for key, value in data.items() if value))


def paragraph(text: str, **data: str | None) -> Markup:
    """Return a paragraph of plain text, with `data-` attributes."""
    return Markup(f"<p{marks(data)}>{escape(text)}</p>\n")


def folded(title: str, content: str) -> Markup:
    """Return content that is folded below a title."""
    return Markup(f"<details><summary>{escape(title)}</summary>\n{content}</details>\n")


def wide(content: str, name: str, **data: str | None) -> Markup:
    """Return a region that scrolls sideways, with the keyboard too."""
    region = f'<div class="wide" role="region" aria-label="{escape(name)}" tabindex="0"{marks(data)}>'
    return Markup(f"{region}{content}</div>\n")


def framed_table(heads: str, rows: str, caption: str) -> Markup:
    """Return a table in a region that scrolls sideways, from its cells as HTML."""
    titled = f"<table><caption>{escape(caption)}</caption>\n<thead><tr>{heads}</tr></thead>"
    return wide(f"{titled}\n<tbody>\n{rows}</tbody></table>", caption)


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> Markup:
    """Return a table of texts."""
    heads = "".join(f'<th scope="col">{html_of(title)}</th>' if title else "<td></td>" for title in header)
    lines = ("".join(map(_cell, row)) for row in rows)
    return framed_table(heads, "".join(f"<tr>{line}</tr>\n" for line in lines), caption)


def _cell(text: str) -> str:
    return f"<td{marks({'long': 'yes' if len(text) > LONG else None})}>{html_of(text)}</td>"
