"""Instantiation: the only module that turns a configuration into objects; their constructors are its schema."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from textwrap import shorten
from typing import Any

from hydra.utils import instantiate

from evaluators.points.case import Case, Evaluation
from sweep.arguments import require_arguments, require_own_arguments
from system import InputError
from system.errors import (
    DataUnavailableError,
    InfeasibleError,
    NotApplicableError,
    UnstableError,
    input_error_behind,
)
from system.limits import MESSAGE

RESULTS = (DataUnavailableError, InfeasibleError, NotApplicableError, UnstableError)  # statuses of a point
TARGET = f"{Case.__module__}.{Case.__name__}"
FULL_KEY = re.compile(r"full_key: (\S+)$")  # at the end of Hydra's errors
NUMBERED = re.compile(r"(.+?)(\d+)")
FIELD = re.compile(r"[a-z]\w*(?=[^ ]* = )")  # at the beginning of a constructor's errors


def evaluate(case: dict[str, Any], draws: range, replications: range) -> Evaluation:
    """Return the rows and refusals of a resolved case."""
    return instantiated(case).evaluate(draws, replications)


def instantiated(case: Mapping[str, Any]) -> Case:
    """Return a resolved case as an object.

    The parts of a case are frozen objects, so points share equal parts. Raises `InputError` for a value that cannot be
    made as configured, by the key of the case.
    """
    require_own_arguments("case", {**case, "_target_": TARGET})
    parts = {name: _made(name, json.dumps(part)) for name, part in case.items() if name != "_target_"}
    try:
        return Case(**parts)
    except InputError as error:
        raise InputError(_sentence("case", case, error, error)) from error


@lru_cache(maxsize=1024)
def _made(name: str, text: str) -> Any:
    """Return a part of a case, given as JSON."""
    part = json.loads(text)
    require_arguments(name, part)
    try:
        return instantiate({name: part}, _convert_="all")[name]
    except Exception as error:
        ours = input_error_behind(error)
        if isinstance(ours, RESULTS):
            raise ours from error
        key = FULL_KEY.search(str(error))
        raise InputError(_sentence(key[1] if key else name, part, ours, error)) from error


def _sentence(key: str, node: Any, ours: InputError | None, error: Exception) -> str:
    """Return why the object at a key cannot be made.

    A field that its constructor names gets the key before it.
    """
    if ours is None:
        return f"{key}: cannot be made as configured ({shorten(str(error.__cause__ or error), MESSAGE // 2)})"
    for name in key.split(".")[1:]:
        node = _item(node, name)
    field = FIELD.match(str(ours))
    return f"{key}.{ours}" if field and field[0] in node else str(ours)


def _item(node: Any, name: str) -> Any:
    """Return a part of a node by Hydra's name for it.

    Hydra writes the number of an object in a list right behind the list's name.
    """
    if isinstance(node, list):
        return node[int(name)]
    if name in node:
        return node[name]
    of_list = NUMBERED.fullmatch(name)
    return node if of_list is None else node[of_list[1]][int(of_list[2])]


def require_valid(cases: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> None:
    """Raise `InputError` for the first case that cannot be made.

    `keys` are the keys of the command, which messages name.
    """
    keys = list(keys)
    for case in cases:
        try:
            instantiated(case)
        except RESULTS:
            continue
        except InputError as error:
            raise InputError(_by_given_key(str(error), keys)) from error


def _by_given_key(sentence: str, keys: Iterable[str]) -> str:
    """Return a sentence with the command's key for the key of the case."""
    path, equals, rest = sentence.partition(" = ")
    given = (key.lstrip("+") for key in keys)
    key = next((key for key in given if f".{path}".endswith(f".{key}")), path)
    return f"{key}{equals}{rest}"
