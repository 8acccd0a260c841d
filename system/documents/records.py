"""Mappings of a document as objects of a dataclass, whose fields are the schema."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, TypeVar, get_origin, get_type_hints

from system.checks import require
from system.documents.kinds import fits, in_words, is_a, require_no_quotes
from system.errors import InputError

Record = TypeVar("Record")


def record_of(kind: Callable[..., Record], label: str, content: Any) -> Record:
    """Return an object made from a mapping.

    Raises `InputError` with the label for unknown and missing keys, for values of another type than their field's, and
    where the dataclass refuses a value.
    """
    require(isinstance(content, Mapping), label, type(content).__name__, "must be a mapping of keys to values")
    types, required = _schema(kind)
    unknown = sorted(map(str, content.keys() - types.keys()))
    require(not unknown, label, unknown, "unknown keys; remove them")
    missing = sorted(required - content.keys())
    require(not missing, label, missing, "missing keys; give each a value")
    for key, value in content.items():
        if fits(0.5, types[key]):
            require_no_quotes(f"{key} in {label}", value)
        shown = repr(value) if isinstance(value, str) else value
        require(fits(value, types[key], _is_mapping), f"{key} in {label}", shown, f"must be {in_words(types[key])}")
    try:
        return kind(**content)
    except InputError as error:
        raise InputError(f"{label}: {error}") from error


@cache
def _schema(kind: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Return a dataclass's types by field, and its required fields."""
    types = get_type_hints(kind)
    required = frozenset(field.name for field in fields(kind) if field.default_factory is field.default is MISSING)
    return {field.name: types[field.name] for field in fields(kind)}, required


def _is_mapping(value: Any, kind: Any) -> bool | None:
    """Return whether a value is a mapping, whose content the dataclass checks.

    It is None for other types.
    """
    return isinstance(value, Mapping) if is_a(get_origin(kind), Mapping) else None
