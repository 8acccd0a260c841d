"""Words for people that several rooms need."""

import difflib
import re
from collections.abc import Iterable, Sequence

ALIKE = 0.6  # of names that are suggested for each other
RELATED = 0.8  # of the letters before their first digits, such as those of llama3_8b and lama3_8b


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless the number is 1."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """Return names with commas and an "and" before the last one."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def shortened(texts: Sequence[str], most: int, comma: str = ", ") -> str:
    """Return the first texts as a list, and how many more there are."""
    more = len(texts) - most
    return comma.join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def first_few(texts: Sequence[str], most: int) -> list[str]:
    """Return the first texts, and how many more there are as a last one."""
    more = len(texts) - most
    return [*texts[:most], *([f"{more} more"] if more > 0 else [])]


def plain_name(name: str) -> str:
    """Return a name's letters and digits alone, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def same_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name with the same letters and digits."""
    plain = plain_name(name)
    return next((other for other in known if other == name), None) or next(
        (other for other in known if plain and plain_name(other) == plain), None
    )


def near_names(name: str, known: Iterable[str], most: int = 2) -> list[str]:
    """Return similar known names, the nearest first.

    Names with digits are near only if the letters before them are: no gpt_neox_20b for gpt_oss_120b.
    """
    plain = plain_name(name)
    ranked = sorted(((_likeness(plain, plain_name(other)), other) for other in known), reverse=True)
    return [other for likeness, other in ranked[:most] if likeness >= ALIKE]


def _likeness(name: str, other: str) -> float:
    """Return how alike two names are, 0 to 1."""
    ratio = difflib.SequenceMatcher(None, other, name).ratio()
    if name and (other.startswith(name) or name.startswith(other)):
        return max(ratio, (2 + ratio) / 3)
    of_one, of_other = (re.match(r"\D*", text).group() for text in (name, other))  # type: ignore[union-attr]
    has_digits = len(of_one) < len(name)
    related = difflib.SequenceMatcher(None, of_one, of_other).ratio() >= RELATED
    return ratio if not has_digits or not of_one or name in other or other in name or related else 0.0
