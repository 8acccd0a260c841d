"""Reading of JSON files that people give: plain data, bounded and without ambiguity.

Each error is one sentence with the file and the remedy.
"""

import json
from pathlib import Path
from typing import Any

from system.checks import echo
from system.documents.text_files import read_text
from system.errors import InputError
from system.limits import DIGITS, DOCUMENT_NODES, NESTING


def read_json(path: Path, field: str = "file") -> Any:
    """Return the content of a JSON file; raise `InputError` if it has none.

    Repeated keys, NaN, numbers of hundreds of digits and deep nesting are refused. `field` names the file in messages.
    """
    return json_of(read_text(path, field), field, path)


def json_of(text: str, field: str, source: object = "JSON") -> Any:
    """Return the content of a JSON text, under the same rules.

    `source` is the value of the field in messages.
    """
    try:
        content = json.loads(text, object_pairs_hook=unrepeated, parse_constant=_refuse_constant, parse_int=whole)
        _require_bounded(content)
        _require_whole_characters(text, content)
    except RecursionError as error:
        raise InputError(f"{field} = {source}: is nested more than {NESTING} deep; correct the file") from error
    except ValueError as error:
        raise InputError(f"{field} = {source}: is not understood as JSON ({error}); correct the file") from error
    return content


def unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raise `ValueError` if a key appears twice."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for number, key in enumerate(keys) if key in keys[:number])
        raise ValueError(f"{echo(repeated)} appears twice in one object; keep one")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def whole(digits: str) -> int:
    """Return a whole number; raise `ValueError` if no float is as large."""
    if len(digits) > DIGITS:
        raise ValueError(f"{echo(digits)} has {len(digits)} digits")
    return int(digits)


def _require_whole_characters(text: str, content: Any) -> None:
    """Raise `ValueError` for half a character, which no file can hold."""
    try:
        if "\\u" in text:
            json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise ValueError(f"{half} is half a character") from error


def _require_bounded(content: Any) -> None:
    """Raise `ValueError` for deep nesting and for too many values."""
    level, depth, count = [content], 0, 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > NESTING or count > DOCUMENT_NODES:
            raise ValueError(f"its nesting is above {NESTING}, or it has more than {DOCUMENT_NODES:,} values")
        containers = [value for value in level if isinstance(value, (dict, list))]
        level = [child for value in containers for child in (value.values() if isinstance(value, dict) else value)]
