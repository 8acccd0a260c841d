"""Mappings of a YAML file, checked key by key: each mistake is one sentence with field, value and remedy."""

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
    """One mapping and where it stands in its file, "" for the file itself."""

    place: str
    content: Mapping[str, Any]

    @staticmethod
    def of(place: str, content: Any, known: Iterable[str]) -> "Entry":
        """Raises `InputError` unless it is a mapping of known keys; an unknown one is answered with near misses."""
        known = tuple(known)
        if not isinstance(content, dict):
            raise InputError(f"{place or 'the file'} = {content!r}: must be a mapping with keys of {', '.join(known)}")
        for key in content:
            require_known(f"key of {place}" if place else "key", str(key), known)
        return Entry(place, content)

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def where(self, key: str) -> str:
        """The field as people are told of it."""
        return f"{key} of {self.place}" if self.place else key

    def value(self, key: str, hint: str) -> Any:
        """What stands there; raises `InputError` with the hint if nothing does."""
        if self.content.get(key) is None:
            raise InputError(f"{self.where(key)} is missing: give {hint}")
        return self.content[key]

    def positive(self, key: str, hint: str) -> float:
        return self._number(require_positive, key, hint)

    def not_negative(self, key: str, hint: str) -> float:
        return self._number(require_not_negative, key, hint)

    def count(self, key: str, hint: str) -> int:
        return int(self._number(require_count, key, hint))

    def text(self, key: str, hint: str) -> str:
        value = self.value(key, hint)
        # A name such as 3090 is a number to YAML.
        readable = isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip() != ""
        require(readable, self.where(key), repr(value), f"must be {hint}")
        return str(value).strip()

    def part(self, key: str, hint: str, known: Iterable[str]) -> "Entry":
        """The mapping below a key."""
        return Entry.of(self.where(key), self.value(key, hint), known)

    def _number(self, check: Check, key: str, hint: str) -> float:
        value = self.value(key, hint)
        check(**{self.where(key): value})
        return value


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; raises `InputError` if there is none or it is not YAML."""
    require(path.is_file(), "file", path, "there is no such file")
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_repeated_keys(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    """YAML's reader would keep the last of them and say nothing."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item)
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        repeated = [key for key in keys if keys.count(key) > 1]
        if repeated:
            raise InputError(f"{repeated[0]} stands twice in the mapping of line {node.start_mark.line + 1}: keep one")
        for _, value in node.value:
            _refuse_repeated_keys(value)
