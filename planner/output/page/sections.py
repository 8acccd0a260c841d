"""The card's sections as HTML, with whole tables, and the lists of plan.json as further tables."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from planner.results import Plan, Prediction, UserSpeed
from planner.words import TableLine, digits, percent
from system.pages.markup import Markup, folded, html_of, joined, paragraph, text_table

Pair = tuple[str, str]

FEW = 2  # sentences that are no list


def anchor(title: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def section(title: str, content: str, name: str = "") -> Markup:
    """Return a section of the page under its heading."""
    return Markup(f'<section id="{html_of(name or anchor(title))}">\n<h2>{html_of(title)}</h2>\n{content}</section>\n')


def lines_of(lines: Iterable[str], caption: str) -> Markup:
    """Return sentences as paragraphs, and lines of tables as tables."""
    tables = 0
    parts: list[Markup] = []
    for number, group in groupby(_numbered(lines), key=lambda pair: pair[0]):
        members = [line for _, line in group]
        if number:
            tables += 1
            parts.append(_table(members, caption if tables == 1 else f"{caption} ({tables})"))
        else:
            parts.append(_sentences([line.strip() for line in members]))
    return joined(parts)


def _sentences(lines: Sequence[str]) -> Markup:
    """Return a few sentences as paragraphs, and more as a list."""
    if len(lines) <= FEW:
        return joined(map(paragraph, lines))
    items = "".join(f"<li>{html_of(line)}</li>\n" for line in lines)
    return Markup(f"<ul>\n{items}</ul>\n")


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with the number of their table, 0 for sentences."""
    table = 0
    for line in lines:
        is_cells = isinstance(line, TableLine)
        table += isinstance(line, TableLine) and line.is_header
        yield table if is_cells else 0, line


def _table(lines: Sequence[str], caption: str) -> Markup:
    cells = [line.cells for line in lines if isinstance(line, TableLine)]
    return text_table(cells[0], _whole_rows(cells[1:]), caption)


def _whole_rows(rows: Iterable[Sequence[str]]) -> list[list[str]]:
    """Return rows together with the lines that continue one of their cells."""
    whole: list[list[str]] = []
    for row in rows:
        if whole and len(row) > 1 and not row[0]:
            whole[-1] = [f"{cell} {more}".strip() for cell, more in zip(whole[-1], row, strict=True)]
        else:
            whole.append(list(row))
    return whole


def key_numbers(plan: Plan) -> Markup:
    """Return the main numbers of a plan: for its users, or at its rate."""
    numbers = _of_rate(plan.prediction) if plan.user_speed is None else _of_users(plan.user_speed)
    return _definitions("numbers", numbers.items())


def _of_users(speed: UserSpeed) -> dict[str, str]:
    return {
        "users at once": str(speed.users),
        "tokens/s each": digits(speed.tokens_per_s),
        "a token": digits(speed.token_ms, "ms"),
        "first token": digits(speed.first_token_s, "s"),
        "tokens/s in all": digits(speed.total_tokens_per_s),
    }


def _of_rate(prediction: Prediction) -> dict[str, str]:
    quantiles = {f"P{100 * level:g}": value for level, value in prediction.quantiles_s.items()}
    return {
        "requests/s": digits(prediction.rate_per_s),
        "mean response time": digits(prediction.mean_s, "s"),
        **{f"{name} response time": digits(value, "s") for name, value in quantiles.items()},
        "mean time to the first token": digits(prediction.first_token_mean_s, "s"),
        "load": "-" if prediction.load is None else percent(prediction.load),
    }


def _definitions(kind: str, pairs: Iterable[Pair]) -> Markup:
    items = "".join(f"<div><dt>{html_of(name)}</dt><dd>{html_of(value)}</dd></div>\n" for name, value in pairs)
    return Markup(f'<dl class="{kind}">\n{items}</dl>\n')


def data_tables(document: Mapping[str, Any]) -> Markup:
    """Return a folded table for each list of objects in plan.json."""
    lists = {name: entry for name, entry in _lists("", document) if entry and isinstance(entry[0], dict)}
    return joined(folded(f"{name} ({len(rows)})", _objects(name, rows)) for name, rows in lists.items())


def _lists(prefix: str, document: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists of a document, with the keys that lead to them."""
    for key, value in document.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, list):
            yield name, value
        elif isinstance(value, dict):
            yield from _lists(f"{name}, ", value)


def _objects(name: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    flat = [dict(_flat("", row)) for row in rows]
    header = list(dict.fromkeys(key for row in flat for key in row))
    return text_table(header, ([row.get(key, "") for key in header] for row in flat), name)


def _flat(prefix: str, row: Mapping[str, Any]) -> Iterator[Pair]:
    """Yield the values of an object and of its inner objects."""
    for key, value in row.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(f"{name} ", value)
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if value is None or isinstance(value, bool):
        return {None: "-", True: "yes", False: "no"}[value]
    return digits(value) if isinstance(value, float) else str(value)
