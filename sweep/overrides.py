"""Overrides of a command, the words `key=value`: refused in one sentence where Hydra cannot understand them."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString
from hydra.errors import HydraException

from sweep.arguments import as_written
from system import InputError
from system.checks import echo, require
from system.code.source import ROOT
from system.limits import NESTING, OVERRIDE

IsGroup = Callable[[str], object]  # whether a key is a config group
GRAMMAR = "is not understood; close all quotes and brackets, and write other characters in quotes: key='a (b)'"


def require_overrides(words: Iterable[str], folder: str | None, is_sweep: bool) -> None:
    """Raise `InputError` for the first word of a command that Hydra would not understand.

    `folder` is a further one with configuration. Groups of Hydra itself are not looked at. Only a sweep takes several
    values of a key.
    """
    folders = [ROOT / "conf", *([Path(folder)] if folder else [])]
    parser = OverridesParser.create()
    for word in words:
        override = parsed(parser, word, lambda key: any((path / key).is_dir() for path in folders))
        remedy = "are several values; write -m before them to sweep, or quotes around them for a text"
        if override.is_sweep_override() and not is_sweep:
            raise InputError(f"{override.get_key_element()} = {echo(override.get_value_string())}: {remedy}")


def parsed(parser: OverridesParser, word: str, is_group: IsGroup) -> Override:
    """Return a word as Hydra understands it."""
    key, equals, text = word.partition("=")
    if not key or not (equals or key[0] == "~"):
        raise InputError(f"{echo(word)}: is no key=value, such as demand.per_s=0.5")
    remedy = f"has {len(text):,} characters; give at most {OVERRIDE:,}, such as range(start,stop,step) for an axis"
    require(len(word) <= OVERRIDE, echo(key), text, remedy)
    require(_depth(text) <= NESTING, echo(key), text, f"has more than {NESTING} brackets inside each other")
    try:
        override = parser.parse_override(word)
        override.config_loader = parser.config_loader  # which knows the files that a glob chooses
    except HydraException as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        advice = f"cannot be read: {echo(reason)}" if " while evaluating " in str(error) else GRAMMAR
        raise InputError(f"{echo(key)} = {echo(text)}: {advice}") from error
    if override.key_or_group and is_group(override.key_or_group) and not override.is_delete():
        _require_choices(override)
    return override


def _depth(text: str) -> int:
    """Return how many brackets are open at once at most."""
    steps = ((character in "[{(") - (character in "]})") for character in text)
    return max(accumulate(steps, initial=0))


def _require_choices(override: Override) -> None:
    """Raise `InputError` unless a config group gets names of its files."""
    key, several = override.key_or_group, override.value()
    for value in _values(several):
        names = value if isinstance(value, list) else [value]
        remedy = f"must be the name of a file in conf/{key}, without .yaml"
        require(all(_is_name(name) for name in names), key, as_written(value), remedy)
        one = len(names) <= 1 or key != "experiment"
        require(one, key, as_written(value), "choose one; `python run.py -m experiment=NAME,NAME` runs several")


def _values(several: Any) -> Iterator[Any]:
    """Yield the values of an override that may be a sweep."""
    if isinstance(several, ChoiceSweep):
        for value in several.list:
            yield from _values(value)
    else:
        yield several


def _is_name(value: Any) -> bool:
    return isinstance(value, (QuotedString, Glob)) or (isinstance(value, str) and bool(value.strip()))
