"""Reading of YAML files that people write: plain data, bounded before it is built.

Each error is one sentence with the file, the line and the remedy.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml

from system.checks import echo
from system.documents.instructions import REMEDY, is_instruction
from system.documents.text_files import read_text
from system.documents.yaml_scalars import value_of
from system.errors import InputError
from system.limits import DIGITS, DOCUMENT_NODES, NESTING

PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # that of C is twenty times as fast
Event = Any  # of a parser, of which the type stubs lack the fields
MERGE = "<<"  # the key below which a mapping takes over the keys of another one


def read_yaml(path: Path, may_instruct: bool = False) -> Any:
    """Return the content of a YAML file; raise `InputError` if it cannot be read.

    Instructions to Hydra, such as `_target_`, are refused unless the file is one of configuration.
    """
    text = read_text(path)
    try:
        return _Builder(path, yaml.parse(text, PARSER), may_instruct).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", error)
        raise InputError(f"file = {path}: is not YAML{line} ({reason}); correct the file") from error


class _Builder:
    """Builds plain values from the events of a parser.

    Aliases share what they stand for; its size is counted each time.
    """

    def __init__(self, path: Path, events: Iterator[Event], may_instruct: bool) -> None:
        self._path, self._events, self._may_instruct = path, events, may_instruct
        self._size = 0
        self._anchors: dict[str, tuple[Any, int]] = {}  # a value and its size
        self._keys: list[str] = []  # down to the present value

    def document(self) -> Any:
        """Return the value of the only document, None if there is none."""
        next(self._events)  # the stream starts
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), 1)
        next(self._events)  # the document ends
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._refuse(event, "---", "starts a second document; keep one in a file")
        return value

    def _value(self, event: Event, depth: int) -> Any:
        """Return the value that starts with an event."""
        before = self._size
        self._grow(event, 1)
        if isinstance(event, yaml.AliasEvent):
            return self._shared(event)
        if event.tag is not None:
            self._refuse(event, event.tag, "is a tag, which data must not have; remove it, and put text into quotes")
        value = self._content(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._size - before
        return value

    def _grow(self, event: Event, size: int) -> None:
        self._size += size
        if self._size > DOCUMENT_NODES:
            remedy = f"the file must have at most {DOCUMENT_NODES:,} values, with each alias counted as what it names"
            self._refuse(event, f"value {self._size:,}", remedy)

    def _shared(self, event: Event) -> Any:
        """Return the value of an alias."""
        if event.anchor not in self._anchors:
            self._refuse(
                event, f"*{event.anchor}", f"must name a value that ends before it and begins with &{event.anchor}"
            )
        value, size = self._anchors[event.anchor]
        self._grow(event, size)
        return value

    def _content(self, event: Event, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if depth > NESTING:
            self._refuse(event, f"{depth} levels", f"mappings and lists are nested more than {NESTING} deep")
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(child, depth + 1) for child in self._until(yaml.SequenceEndEvent)]
        return self._mapping(depth + 1)

    def _until(self, end: type[Event]) -> Iterator[Event]:
        """Yield the events that start the values of a list or mapping."""
        while not isinstance(event := next(self._events), end):
            yield event

    def _scalar(self, event: Event, is_key: bool = False) -> Any:
        """Return a word as its value, and a text in quotes as it is."""
        text: str = event.value
        if not self._may_instruct and is_instruction(text, is_key):
            self._refuse(event, text, REMEDY, "key of " * is_key)
        if not event.implicit[0]:
            return text
        if len(text) > DIGITS and text.lstrip("+-").isdecimal():
            self._refuse(event, text, "is too large; check the number of zeros, and put text into quotes")
        return value_of(text)

    def _mapping(self, depth: int) -> dict[Any, Any]:
        """Return a mapping; its own keys precede those that it takes over."""
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._key(event, own)
            self._keys.append(str(key))
            value = self._value(next(self._events), depth)
            if key == MERGE:
                merged = self._merged(event, value)
            else:
                own[key] = value
            self._keys.pop()
        return {**merged, **own}

    def _key(self, event: Event, own: dict[Any, Any]) -> Any:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            self._refuse(event, "a list, mapping, alias or tag", "must be one word or one text", "key of ")
        key = self._scalar(event, is_key=True)
        self._grow(event, 1)
        if key in own:
            self._refuse(event, key, "appears twice in one mapping; keep one", "key of ")
        return key

    def _merged(self, event: Event, value: Any) -> dict[Any, Any]:
        """Return the keys of one or several mappings; the first has precedence."""
        mappings = value if isinstance(value, list) else [value]
        if not all(isinstance(mapping, dict) for mapping in mappings):
            self._refuse(event, value, "must be a mapping whose keys are taken over")
        return {key: content for mapping in reversed(mappings) for key, content in mapping.items()}

    def _refuse(self, event: Event, value: object, remedy: str, prefix: str = "") -> NoReturn:
        """Raise `InputError` with the keys, the line and the file."""
        keys = echo(".".join(map(echo, self._keys))) or "the file"
        line = event.start_mark.line + 1
        raise InputError(f"{prefix}{keys} in line {line} of {self._path} = {echo(value)}: {remedy}")
