"""Values of a swept key in Hydra's grammar: lists, `range`, `glob` and `choice`, also mixed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import ceil, prod
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Transformer

from system import InputError
from system.checks import echo, require
from system.limits import AXIS, POINTS


def text_of(override: Override) -> str:
    """Return an override as it was written."""
    assert override.input_line is not None
    return override.input_line


def choices(override: Override) -> list[str]:
    """Return an override for every value of a perhaps swept override."""
    if not override.is_sweep_override():
        return [text_of(override)]
    key = override.get_key_element()
    return [f"{key}={value}" for value in swept_values(override)]


def chosen_values(override: Override) -> list[str]:
    """Return the values of an override; none for one that deletes its key."""
    return [choice.partition("=")[2] for choice in choices(override) if "=" in choice]


def swept_values(override: Override) -> list[str]:
    """Return the values of a swept override as on the command line.

    Raises `InputError` if they cannot be listed, if there are none, or if one comes twice.
    """
    key, written = override.get_key_element(), override.get_value_string()
    values = list(_texts(override.value(), override))
    require(bool(values), key, written, "holds no value; name at least one")
    require(len(values) <= AXIS, key, written, f"has {len(values):,} values; an axis has at most {AXIS:,}")
    counts = Counter(values)
    twice = next((value for value in values if counts[value] > 1), None)
    require(twice is None, key, written, f"lists {twice} twice; leave one out")
    return values


def require_points(values: Mapping[str, Sequence[str]]) -> None:
    """Raise `InputError` if axes make too many points."""
    count = prod(map(len, values.values()))
    axes = ", ".join(f"{key} ({len(listed):,} values)" for key, listed in values.items() if len(listed) > 1)
    require(
        count <= POINTS, "points", f"{count:,}", f"a sweep has at most {POINTS:,}; list fewer values of {echo(axes)}"
    )


def _texts(node: Any, override: Override) -> Iterator[str]:
    """Yield the values below a node of the grammar."""
    if isinstance(node, ChoiceSweep):
        _require_fixed_order(node, override)
        for child in node.list:
            yield from _texts(child, override)
    elif isinstance(node, RangeSweep):
        _require_fixed_order(node, override)
        yield from _range_texts(node, override)
    elif isinstance(node, Glob):
        yield from _glob_texts(node, override)
    elif isinstance(node, IntervalSweep):
        raise _refused(override, "an interval has no list of values; write range(start,stop,step) or the values")
    else:
        yield str(Transformer.str(node))


def _range_texts(span: RangeSweep, override: Override) -> Iterator[str]:
    """Yield the numbers of a range, with exact decimals."""
    numbers = span.start, span.stop, span.step
    start, stop, step = (Decimal(str(number)) for number in numbers)
    if step == 0:
        raise _refused(override, "its step is 0; write another one")
    kind = int if all(isinstance(number, int) for number in numbers) else float
    count = max(0, ceil((stop - start) / step))
    if count > AXIS:
        raise _refused(override, f"has {count:,} values; an axis has at most {AXIS:,}")
    for n in range(count):
        yield str(kind(start + n * step))


def _glob_texts(pattern: Glob, override: Override) -> list[str]:
    """Return the choices of a config group that match."""
    assert override.config_loader is not None
    options = override.config_loader.get_group_options(override.key_or_group, results_filter=ObjectType.CONFIG)
    if not options:
        raise _refused(override, "glob chooses among the files of a config group, and this key is none")
    names = list(pattern.filter(options))
    if not names:
        raise _refused(override, f"nothing matches; the choices are {', '.join(options)}")
    return names


def _require_fixed_order(node: ChoiceSweep | RangeSweep, override: Override) -> None:
    if node.shuffle:
        raise _refused(override, "the points of a sweep have no order to shuffle; write the values")


def _refused(override: Override, remedy: str) -> InputError:
    return InputError(f"{override.get_key_element()} = {echo(override.get_value_string())}: {remedy}")
