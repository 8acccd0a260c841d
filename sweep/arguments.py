"""Arguments: whether constructors can take what a configuration gives them, by key, type and magnitude.

Here every configuration passes before it becomes objects. So no constructor repeats these checks, and the classes of
users have them, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from inspect import Parameter, signature
from typing import Any, NamedTuple, get_type_hints

from hydra._internal.utils import _locate

from sweep.kinds import PARTIAL, TARGET, fits, is_reference
from system.checks import echo, require
from system.documents.kinds import in_words
from system.errors import InputError
from system.limits import LARGEST_BY_UNIT, LARGEST_PLAIN, SEED, SMALLEST_PLAIN

OF_HYDRA = frozenset({TARGET, PARTIAL, "_args_", "_convert_", "_recursive_"})


class Arguments(NamedTuple):
    """The arguments of a class or function."""

    types: Mapping[str, Any]  # of those with an annotation
    names: Sequence[str]
    required: Sequence[str]
    is_open: bool  # takes further ones, too


def require_arguments(path: str, node: Any) -> None:
    """Raise `InputError` for the first value below a key that its constructor cannot take."""
    is_reference_left = isinstance(node, str) and "${" in node  # in data, as those of configurations are resolved
    require(not is_reference_left, path, node, "holds a reference, which data may not; write its value")
    require_own_arguments(path, node)
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        require_arguments(f"{path}.{name}", child)


def require_own_arguments(path: str, node: Any) -> None:
    """Raise `InputError` unless a configuration has the arguments of its target."""
    if not isinstance(node, dict) or TARGET not in node:
        return
    called = _object(f"{path}.{TARGET}", node[TARGET])
    require(callable(called), f"{path}.{TARGET}", as_written(node[TARGET]), "names nothing that can be called")
    arguments = _arguments_of(called)
    if is_reference(node):
        _object(f"{path}.path", node["path"])
    for name, value in node.items():
        if name in arguments.types:
            require_type(f"{path}.{name}", value, arguments.types[name])
        elif name not in OF_HYDRA and name not in arguments.names and not arguments.is_open:
            raise _unknown(path, str(name), value, arguments.names)
    if not (node.get(PARTIAL) or "_args_" in node):
        for name in arguments.required:
            require(name in node, f"{path}.{name}", "missing", "give it a value")


def require_type(path: str, value: Any, kind: Any) -> None:
    """Raise `InputError` unless a plain value fits a type and a unit."""
    if not fits(value, kind):
        is_whole = isinstance(value, float) and value.is_integer() and fits(1, kind)
        advice = f"; write {int(value)}" if is_whole and abs(value) < SEED else ""
        raise InputError(f"{path} = {as_written(value)}: must be {in_words(kind)}{advice}")
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            _require_magnitude(path, number)


def as_written(value: Any) -> str:
    """Return a value as in YAML, shortened where it is long."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else echo(value)


@cache
def _arguments_of(called: Any) -> Arguments:
    """Return the arguments of a class or function; open ones where they are unknown."""
    try:
        parameters = [item for item in signature(called).parameters.values() if item.name != "self"]
        types = get_type_hints(called.__init__ if isinstance(called, type) else called)  # type: ignore[misc]
    except (NameError, TypeError, ValueError):  # not Python, or annotations that only a type checker can read
        return Arguments({}, (), (), is_open=True)
    named = [item for item in parameters if item.kind in (item.KEYWORD_ONLY, item.POSITIONAL_OR_KEYWORD)]
    required = [item.name for item in named if item.default is Parameter.empty]
    is_open = len(named) < len(parameters)
    return Arguments(types, [item.name for item in named], required, is_open)


def _unknown(path: str, name: str, value: Any, names: Iterable[str]) -> InputError:
    """Return the error for a key that a target does not have."""
    near = get_close_matches(name, list(names), n=2)
    advice = f"did you mean {' or '.join(near)}" if near else f"there are {', '.join(names) or 'none'}"
    return InputError(f"{path}.{echo(name)} = {as_written(value)}: there is no such key; {advice}")


def _require_magnitude(path: str, number: float) -> None:
    """Raise `InputError` for a number that is absurd in the unit of its name."""
    limit = _largest(path.rpartition(".")[2], isinstance(number, int))
    remedy = f"must be at most {limit:,}; check the unit and the number of zeros"
    require(abs(number) <= limit, path, number, remedy)
    remedy = f"must be 0 or at least {SMALLEST_PLAIN:g}; check the unit and the number of zeros"
    require(number == 0 or abs(number) >= SMALLEST_PLAIN, path, number, remedy)


@cache
def _largest(name: str, is_whole: bool) -> float:
    """Return the limit by the unit in which a name ends."""
    limits = (limit for unit, limit in LARGEST_BY_UNIT.items() if f"_{name}".endswith(f"_{unit}"))
    return next(limits, SEED if is_whole else LARGEST_PLAIN)


def _object(path: str, name: Any) -> Any:
    """Return the class or function of a dotted name."""
    try:
        return _locate(name)  # `get_object` would log its errors, too
    except Exception as error:  # whatever its module raises
        remedy = "names no class or function; write its module and its name with dots between them"
        raise InputError(f"{path} = {as_written(name)}: {remedy}") from error
