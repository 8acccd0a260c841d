"""Kinds of arguments: whether what a configuration gives for an argument fits its annotation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from inspect import isabstract
from typing import Any, Literal, get_origin

from hydra._internal.utils import _locate

from system.documents import kinds
from system.documents.kinds import PLAIN, is_a

TARGET, PARTIAL = "_target_", "_partial_"
REFERENCES = ("hydra.utils.get_method", "hydra.utils.get_object")


def fits(value: Any, kind: Any) -> bool:
    """Return whether a plain value may have a type; true if that is unknown."""
    return kinds.fits(value, kind, _judged)


def _judged(value: Any, kind: Any) -> bool | None:
    """Return whether a value fits the type of an object; None for other types."""
    if isinstance(value, dict) and TARGET in value:
        return kind is Any or _makes(value, kind)
    origin = get_origin(kind)
    if kind in PLAIN or origin is Literal or is_a(origin, Mapping) or is_a(origin, Sequence):
        return None
    return origin is not Callable and not _is_object(kind)


def is_reference(node: Mapping[str, Any]) -> bool:
    """Return whether a configuration names an object instead of a call that makes one."""
    return "path" in node and node[TARGET] in REFERENCES


def _makes(node: Mapping[str, Any], kind: Any) -> bool:
    """Return whether a configuration may make an object of a kind."""
    try:
        made = _locate(node["path"] if is_reference(node) else node[TARGET])
    except Exception:  # whatever its module raises; `require_arguments` names the key
        return True
    if node.get(PARTIAL) or not (isinstance(made, type) or is_reference(node)):
        return get_origin(kind) is Callable or not node.get(PARTIAL)  # what a function returns is unknown
    if get_origin(kind) is Callable:
        return callable(made) if is_reference(node) else "__call__" in dir(made)
    if getattr(kind, "_is_protocol", False):
        return _members(kind) <= {*dir(made), *getattr(made, "__dataclass_fields__", ())}
    outer = get_origin(kind) or kind
    return outer not in PLAIN and isinstance(outer, type) and (is_a(made, outer) or isinstance(made, outer))


def _members(protocol: type) -> set[str]:
    """Return the names that an object needs to keep to a protocol."""
    return {name for name in vars(protocol) if not name.startswith("_") or name == "__call__"}


def _is_object(kind: Any) -> bool:
    """Return whether only a configuration with a target makes a value of a type."""
    return is_dataclass(kind) or getattr(kind, "_is_protocol", False) or isabstract(kind)
