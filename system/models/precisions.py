"""Precisions of weights and caches: how many bytes one number takes."""

from typing import NamedTuple

from system.checks import require_one_of


class Precision(NamedTuple):
    """Bytes of one number, and the same in words for people."""

    value_bytes: float
    words: str


PRECISIONS = {
    "float32": Precision(4.0, "4 B"),
    "16 bit": Precision(2.0, "2 B"),
    "8 bit": Precision(1.0, "1 B"),
    "int8": Precision(1.01, "1 B and 1 % of metadata (int8 as PETALS counts it)"),
    "nf4": Precision(4.25 / 8 * 1.01, "4.25 bits and 1 % of metadata (NF4 as PETALS counts it)"),
}
WEIGHTS = ("16 bit", "int8", "nf4", "float32")  # precisions that weights can have
CACHES = ("16 bit", "8 bit", "float32")  # precisions that a cache can have


def weight_precision(name: str) -> Precision:
    """Return a precision of weights; raise `InputError` if weights cannot have it."""
    require_one_of(WEIGHTS, weights=name)
    return PRECISIONS[name]


def cache_precision(name: str) -> Precision:
    """Return a precision of caches; raise `InputError` if a cache cannot have it."""
    require_one_of(CACHES, cache=name)
    return PRECISIONS[name]
