"""Kinds: whether a plain value fits an annotation, and that annotation in words for people."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from system.checks import echo
from system.errors import InputError
from system.limits import ECHO

# What YAML and JSON have for each type; a whole number is a number, too.
PLAIN: Mapping[Any, Any] = {int: int, float: (int, float), str: str, bool: bool, NoneType: NoneType}
WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    NoneType: "null",
    Any: "anything",
}
Judge = Callable[[Any, Any], bool | None]  # whether a value fits a type that only the caller knows, or None


def fits(value: Any, kind: Any, judge: Judge = lambda value, kind: None) -> bool:
    """Return whether a plain value may have a type.

    `judge` decides first; where it returns None, the type is that of a plain value or container.
    """
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(value, option, judge) for option in args)
    if (judged := judge(value, kind)) is not None:
        return judged
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in args)
    if kind in PLAIN:
        return isinstance(value, PLAIN[kind]) and isinstance(value, bool) == (kind is bool)
    if is_a(origin, Mapping) or is_a(origin, Sequence):
        return _contains(value, origin, args, judge)
    return kind is Any or isinstance(value, origin or kind)


def in_words(kind: Any) -> str:
    """Return what a value of a type must be."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(map(in_words, args))
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if is_a(origin, Mapping):
        return "a mapping" + ("" if args[1] is Any else f", each value {in_words(args[1])}")
    if is_a(origin, Sequence):
        return f"a list, each {in_words(args[0])}" if _is_long(args) else f"[{', '.join(map(in_words, args))}]"
    name = "function" if origin is Callable else getattr(kind, "__name__", str(kind))
    return WORDS.get(kind) or f"the configuration of {'an' if name[0] in 'AEIOU' else 'a'} {name}"


def require_no_quotes(field: str, value: Any) -> None:
    """Raise `InputError` for a number that a file has as text, such as 1e3."""
    if isinstance(value, str) and (number := _number_in(value)) is not None:
        raise InputError(f"{field} = {echo(value)}: is read as text; write {number:.15g} without quotes")


def is_a(kind: Any, other: type) -> bool:
    """Return whether a kind is a class below another."""
    return isinstance(kind, type) and issubclass(kind, other)


def _contains(value: Any, origin: type, kinds: Sequence[Any], judge: Judge) -> bool:
    """Return whether a value is a mapping, list or tuple with the right items."""
    if is_a(origin, Mapping):
        if not isinstance(value, Mapping):
            return False
        return all(fits(key, kinds[0], judge) and fits(item, kinds[1], judge) for key, item in value.items())
    if not isinstance(value, (list, tuple)):
        return False
    expected = [kinds[0]] * len(value) if _is_long(kinds) else kinds
    return len(value) == len(expected) and all(fits(*pair, judge) for pair in zip(value, expected, strict=True))


def _is_long(kinds: Sequence[Any]) -> bool:
    """Return whether these are the types of a list of any length."""
    return len(kinds) == 1 or kinds[1] is Ellipsis


def _number_in(text: str) -> float | None:
    """Return the number that a text stands for, if any."""
    try:
        number = float(text[:ECHO])
    except ValueError:
        return None
    return number if math.isfinite(number) else None
