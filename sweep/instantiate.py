"""Instantiation: the only module that turns a configuration into objects; their constructors are its schema."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object, instantiate

from evaluators.points.case import Case, Evaluation
from system import InputError
from system.checks import require
from system.errors import (
    DataUnavailableError,
    InfeasibleError,
    NotApplicableError,
    UnstableError,
    input_error_behind,
)

RESULTS = (DataUnavailableError, InfeasibleError, NotApplicableError, UnstableError)  # statuses of a point
WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}
# What YAML has for each type; a whole number is a number, too.
PLAIN: dict[Any, Any] = {
    int: int,
    float: (int, float),
    str: str,
    bool: bool,
    NoneType: NoneType,
}


def evaluate(case: dict[str, Any], draws: range, replications: range) -> Evaluation:
    """Return the rows and refusals of a resolved case."""
    return instantiated(case).evaluate(draws, replications)


def instantiated(case: dict[str, Any]) -> Case:
    """Return a resolved case as an object.

    The parts of a case are frozen objects, so points share equal parts.
    """
    parts = {name: _made(json.dumps(part)) for name, part in case.items() if name != "_target_"}
    return Case(**parts)


@lru_cache(maxsize=256)
def _made(configuration: str) -> Any:
    return instantiate({"part": json.loads(configuration)}, _convert_="all")["part"]


def require_valid(cases: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> None:
    """Raise `InputError` for the first part of a case that cannot be made.

    That includes a value which is not of its argument's type. Equal parts of several cases are checked once. `keys` are
    the keys of the command, which messages name.
    """
    parts = {(name, json.dumps(part)): part for case in cases for name, part in case.items() if name != "_target_"}
    keys = list(keys)
    for (name, text), part in parts.items():
        try:
            _made(text)
        except Exception as error:
            if isinstance(input_error_behind(error), RESULTS):
                continue
            if input_error_behind(error) is not None:
                raise
            _require_types(name, part, keys)
            cause = " ".join(str(error.__cause__ or error).split())
            raise InputError(f"{name}: cannot be made as configured ({cause})") from error
        _require_types(name, part, keys)


def _require_types(name: str, part: Any, keys: Iterable[str]) -> None:
    """Raise `InputError` for a value that is not of its argument's type."""
    for path, value, kind in _arguments(name, part):
        key = next((key for key in keys if f".{path}".endswith(f".{key}")), path)
        require(_fits(value, kind), key, value, f"must be {_in_words(kind)}")


def _arguments(key: str, node: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, value and type of each argument in a configuration."""
    if isinstance(node, dict):
        types = _types(node["_target_"]) if "_target_" in node else {}
        for name, value in node.items():
            if name in types:
                yield f"{key}.{name}", value, types[name]
            yield from _arguments(f"{key}.{name}", value)
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _arguments(f"{key}.{number}", child)


@cache
def _types(target: str) -> dict[str, Any]:
    """Return the types of the arguments of a class or function."""
    called = get_object(target)
    return get_type_hints(called.__init__ if isinstance(called, type) else called)  # type: ignore[misc]


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a plain value may have a type; true if that is unknown."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, option) for option in args)
    if origin is Literal:
        return value in args
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return isinstance(value, list) and all(_fits(child, args[0]) for child in value)
    if kind in PLAIN:
        return isinstance(value, PLAIN[kind]) and isinstance(value, bool) == (kind is bool)
    return isinstance(value, dict) or not is_dataclass(kind)


def _in_words(kind: Any) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_in_words(option) for option in args)
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"a list, each {_in_words(args[0])}"
    return WORDS.get(kind) or f"the configuration of a {kind.__name__}"
