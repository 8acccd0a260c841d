"""Shapes of the JSON files of a store: the keys that each must have, and the kinds of their values.

A shape is a function of a value. It returns where and how the value differs, and an empty text for a value that fits.
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from system.checks import echo
from system.limits import DRAWS, NESTING, POINTS, REPLICATIONS

Shape = Callable[[Any], str]
NONE: Mapping[str, "Shape"] = {}
LARGEST = 1e300
POINT = re.compile(r"[0-9a-f]{1,16}")  # a lock has a place for sixteen digits


def _kind(words: str, fits: Callable[[Any], bool]) -> Shape:
    """Return the shape of a value that needs no further look."""
    return lambda value: "" if fits(value) else f" = {echo(value)} is not {words}"


def whole(most: int) -> Shape:
    """Return the shape of a whole number from 0 to `most`."""
    return _kind(f"a whole number up to {most:,}", lambda value: type(value) is int and 0 <= value <= most)


def one_of(*words: str) -> Shape:
    """Return the shape of one of some words."""
    return _kind(" or ".join(words), lambda value: isinstance(value, str) and value in words)


text = _kind("a text", lambda value: isinstance(value, str))
boolean = _kind("true or false", lambda value: isinstance(value, bool))
number = _kind("a number from 0", lambda value: type(value) in (int, float) and 0 <= value <= LARGEST)
point = _kind("the name of a point", lambda value: isinstance(value, str) and POINT.fullmatch(value) is not None)
mapping = _kind("a table", lambda value: isinstance(value, dict))
sequence = _kind("a list", lambda value: isinstance(value, list))


def or_null(shape: Shape) -> Shape:
    """Return the shape of a value that may be null instead."""
    return lambda value: "" if value is None else shape(value)


def listed(shape: Shape) -> Shape:
    """Return the shape of a list."""

    def fault(value: Any) -> str:
        return sequence(value) or next((f"[{n}]{shape(child)}" for n, child in enumerate(value) if shape(child)), "")

    return fault


def row(*shapes: Shape) -> Shape:
    """Return the shape of a list with a shape for each of its members."""
    count = len(shapes)
    as_long = _kind(f"a list of {count}", lambda value: isinstance(value, list) and len(value) == count)

    def fault(value: Any) -> str:
        return as_long(value) or next((f"[{n}]{shapes[n](value[n])}" for n in range(count) if shapes[n](value[n])), "")

    return fault


def table(shape: Shape) -> Shape:
    """Return the shape of a table with any keys."""

    def fault(value: Any) -> str:
        return mapping(value) or next((f".{echo(key)}{shape(value[key])}" for key in value if shape(value[key])), "")

    return fault


def fields(optional: Mapping[str, Shape] = NONE, /, **required: Shape) -> Shape:
    """Return the shape of a table with these keys and perhaps others."""
    known = {**required, **optional}

    def fault(value: Any) -> str:
        lacking = mapping(value) or next((f" lacks {key}" for key in required if key not in value), "")
        wrong = (f".{key}{known[key](value[key])}" for key in known if key in value and known[key](value[key]))
        return lacking or next(wrong, "")

    return fault


def plain(value: Any) -> str:
    """Return what is wrong with the nesting or numbers of a configuration."""
    level = [value]
    for _ in range(NESTING):
        children = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
        if any(isinstance(child, float) and not isfinite(child) for child in children):
            return " holds a number that is not finite"
        level = [child for child in children if isinstance(child, (dict, list))]
        if not level:
            return ""
    return f" is nested more than {NESTING} deep"


def configuration(value: Any) -> str:
    """Return what is wrong with the resolved configuration of a point."""
    return mapping(value) or fields({"seed": number})(value) or plain(value)


def older_record(value: Any) -> str:
    """Return what tells a record from those of format 1."""
    # Format 1 had no checksum of rows.
    return fields(duration_s=number)(value) or (" has rows_sha256" if "rows_sha256" in value else "")


def sweep(value: Any) -> str:
    """Return what is wrong with the record of a sweep."""
    if fault := _SWEEP(value):
        return fault
    numbers = whole(len(value.get("variants", ())) - 1)
    variants = [entry.get("variant", 0) for entry in value["points"] if "variant" in entry]
    return next((f".points.variant{numbers(variant)}" for variant in variants if numbers(variant)), "")


DRAW_COUNT, REPLICATION_COUNT = whole(DRAWS), whole(REPLICATIONS)
_SIZE = {"draws": DRAW_COUNT, "replications": REPLICATION_COUNT}
_BOUNDS = row(DRAW_COUNT, DRAW_COUNT, REPLICATION_COUNT, REPLICATION_COUNT)
_PROVENANCE = fields(
    commit=or_null(text),
    python=text,
    packages=table(or_null(text)),
    machine=fields(name=text, processor=text),
)
_ATTEMPT = {
    "point": point,
    "configuration": configuration,
    "part": _BOUNDS,
    "configuration_hash": text,
    "modules": table(text),
    "started": text,
    "provenance": _PROVENANCE,
    "duration_s": number,
}
_ENTRY = fields(
    {"configuration": text, "is_declared": boolean, **_SIZE},
    point=point,
    axes=table(or_null(text)),
)
_VARIANT = fields({"data": table(text)}, settings=table(text), targets=listed(text))
_TARGET = {
    "half_width": number,
    "metrics": listed(text),
    "most_draws": DRAW_COUNT,
    "most_replications": REPLICATION_COUNT,
}
TARGET_ROW = row(*_TARGET.values())  # in a remembered command
_SWEEP = fields(
    {
        "started": text,
        "words": listed(text),
        "declared_count": whole(POINTS),
        "labels": table(table(text)),
        "precision": or_null(fields(**_TARGET)),
        "variants": listed(_VARIANT),
    },
    axes=listed(text),
    fixed=listed(text),
    points=listed(_ENTRY),
    **_SIZE,
)

FORMAT = fields(format=whole(10**6))
REFUSAL = row(DRAW_COUNT, one_of("infeasible", "unstable"), text)
RECORD = fields(
    {"simulated": boolean, "varies_with": text}, rows_sha256=text, refusals=listed(REFUSAL), **_ATTEMPT
)  # of a part
NOTE = fields(status=one_of("failed", "skipped"), reason=text, traceback=text, **_ATTEMPT)  # of an attempt
