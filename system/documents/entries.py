"""Mappings of a document, checked key by key.

Each error is one sentence with the field, its value and the remedy.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from system import InputError
from system.checks import (
    require,
    require_at_most,
    require_count,
    require_known,
    require_not_negative,
    require_positive,
)
from system.documents.kinds import require_no_quotes
from system.limits import TEXT

Check = Callable[..., None]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # would move the cursor of a terminal or end a line


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
        remedy = f"must be a mapping with keys of {', '.join(known)}"
        require(isinstance(content, dict), label or "the file", content, remedy)
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

    def positive(self, key: str, hint: str, most: float = math.inf) -> float:
        """Return a number above 0; raise `InputError` for other values."""
        return self._number(require_positive, key, hint, most)

    def not_negative(self, key: str, hint: str, most: float = math.inf) -> float:
        """Return a number of 0 or above; raise `InputError` for other values."""
        return self._number(require_not_negative, key, hint, most)

    def count(self, key: str, hint: str, most: float = math.inf) -> int:
        """Return a whole number of at least 1; raise `InputError` for other values."""
        return int(self._number(require_count, key, hint, most))

    def text(self, key: str, hint: str, most: int = TEXT) -> str:
        """Return a text without spaces around it; raise `InputError` for other values."""
        value = self.value(key, hint)
        # YAML reads a name such as 3090 as a number.
        readable = isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip() != ""
        require(readable, self.where(key), repr(value) if isinstance(value, str) else value, f"must be {hint}")
        text = str(value).strip()
        require(len(text) <= most, self.where(key), text, f"has {len(text):,} characters; give at most {most}")
        require(CONTROL.search(text) is None, self.where(key), text, "has a line break or control character; remove it")
        return text

    def part(self, key: str, hint: str, known: Iterable[str]) -> "Entry":
        """Return the mapping below a key as an entry."""
        return Entry.of(self.where(key), self.value(key, hint), known)

    def _number(self, check: Check, key: str, hint: str, most: float) -> float:
        field, value = self.where(key), self.value(key, hint)
        require_no_quotes(field, value)
        check(**{field: value})
        require_at_most(most, **{field: value})
        return value
