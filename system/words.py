"""Words for people that several rooms need."""

from collections.abc import Sequence


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
