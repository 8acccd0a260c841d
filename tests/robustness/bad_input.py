"""One bad input: what a user gives, and what the message must name."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from tests.robustness import inputs


@dataclass(frozen=True)
class BadInput:
    """A call that must end with one sentence.

    `run` gets an empty folder for its files. The sentence must contain the field, the value as it is echoed, and the
    words of the remedy.
    """

    kind: str  # as in KINDS
    name: str
    run: Callable[[Path], object]
    field: str
    value: str
    remedy: str


KINDS = (
    "no data",
    "no place to write",
    "unchecked shape",
    "name as path",
    "data as code",
    "sum that overflows",
    "boolean or unit",
    "no upper bound",
    "out of memory",
    "untrusted client",
    "null or wrong type",
    "python sentence",
    "zero",
)


def all_bad_inputs():
    """Return the bad inputs of all tables."""
    tables = walk_packages(inputs.__path__, f"{inputs.__name__}.")
    modules = [import_module(module.name) for module in tables if not module.ispkg]
    return [bad for module in modules for bad in module.BAD]
