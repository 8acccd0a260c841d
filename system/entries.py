"""Mappings of a YAML file, checked key by key.

Each error is one sentence with the field, its value and the remedy.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from system import InputError
from system.checks import require, require_count, require_known, require_not_negative, require_positive

Check = Callable[..., None]


@dataclass(frozen=True)
class Entry:
    """One mapping of a file, with a label for messages, such as "server box"; that of the whole file is empty."""

    label: str
    content: Mapping[str, Any]

    @staticmethod
    def of(label: str, content: Any, known: Iterable[str]) -> "Entry":
        """Return an entry; raise `InputError` unless the content is a mapping of known keys.

        For an unknown key the message has similar ones.
        """
        known = tuple(known)
        if not isinstance(content, dict):
            raise InputError(f"{label or 'the file'} = {content!r}: must be a mapping with keys of {', '.join(known)}")
        for key in content:
            require_known(f"key of {label}" if label else "key", str(key), known)
        return Entry(label, content)

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def where(self, key: str) -> str:
        """Return the name of a field in messages."""
        return f"{key} of {self.label}" if self.label else key

    def value(self, key: str, hint: str) -> Any:
        """Return a value; raise `InputError` with the hint if it is missing."""
        if self.content.get(key) is None:
            raise InputError(f"{self.where(key)} is missing: give {hint}")
        return self.content[key]

    def positive(self, key: str, hint: str) -> float:
        """Return a number above 0; raise `InputError` for other values."""
        return self._number(require_positive, key, hint)

    def not_negative(self, key: str, hint: str) -> float:
        """Return a number of 0 or above; raise `InputError` for other values."""
        return self._number(require_not_negative, key, hint)

    def count(self, key: str, hint: str) -> int:
        """Return a whole number of at least 1; raise `InputError` for other values."""
        return int(self._number(require_count, key, hint))

    def text(self, key: str, hint: str) -> str:
        """Return a text without spaces around it; raise `InputError` for other values."""
        value = self.value(key, hint)
        # YAML reads a name such as 3090 as a number.
        readable = isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip() != ""
        require(readable, self.where(key), repr(value), f"must be {hint}")
        return str(value).strip()

    def part(self, key: str, hint: str, known: Iterable[str]) -> "Entry":
        """Return the mapping below a key as an entry."""
        return Entry.of(self.where(key), self.value(key, hint), known)

    def _number(self, check: Check, key: str, hint: str) -> float:
        value = self.value(key, hint)
        check(**{self.where(key): value})
        return value


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; raise `InputError` if it cannot be read."""
    require(path.is_file(), "file", path, "there is no such file")
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_repeated_keys(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    """Raise `InputError` for a key that a mapping has twice.

    The YAML reader would keep the last value without a warning.
    """
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item)
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        repeated = [key for key in keys if keys.count(key) > 1]
        if repeated:
            line = node.start_mark.line + 1
            raise InputError(f"{repeated[0]} appears twice in the mapping that starts in line {line}: keep one")
        for _, value in node.value:
            _refuse_repeated_keys(value)
