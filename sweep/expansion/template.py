"""A composed configuration as a template: setting a value costs a copy of plain containers instead of a composition."""

import itertools
import math
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from difflib import get_close_matches
from functools import cache, cached_property
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from system import InputError
from system.checks import echo, require
from system.errors import input_error_behind

Path = tuple[str | int, ...]  # the keys and indices that lead to a value
PROBE = "\0probe"
WHILE_RESOLVING = re.compile(r"^\w+ raised while resolving interpolation: ")
REFERENCE = re.compile(r"\$\{(\.*)([^\W\d][\w.@]*)\}")


class Template:
    """A composed configuration, the config group choices behind it, and its case for any values of its keys."""

    def __init__(self, config: DictConfig, choices: Mapping[str, str | None]) -> None:
        """Keep a configuration that has no key `hydra`, and its choices by config group.

        `has` returns whether a key exists and can be set.
        """
        self.config = config
        self.choices = choices
        self._copies = cache(self._copies_of)
        self.has = cache(self._has)

    def require_key(self, key: str, value: Any) -> None:
        """Raise `InputError` with similar keys unless the configuration has the key."""
        near = get_close_matches(key, self._keys, n=2) if not self.has(key) else []
        advice = f"did you mean {' or '.join(near)}? " if near else ""
        require(self.has(key), key, value, f"there is no such key; {advice}`python run.py --cfg job` shows all")

    def case(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the resolved case with these keys set, all of which must exist."""
        copies = self._copies(tuple(values)) if all(map(_is_plain, values.values())) else None
        if copies is None:
            return resolved_case(self._with(values))
        case: dict[str, Any] = pickle.loads(self._pickled)
        for path, key in copies.items():
            _value_at(case, path[:-1])[path[-1]] = values[key]
        return case

    def settings(self, overrides: Iterable[str]) -> dict[str, str]:
        """Return the values that the case depends on as texts.

        They are written as on the command line. Among them are the choices of config groups; a reference to another key
        stays one. `overrides` set keys; those that nothing depends on are left out.
        """
        used, unused = self._dependence
        given = [override.partition("=") for override in overrides if override[0] not in "+~"]
        return used | {key: text for key, _, text in given if key not in unused}

    @cached_property
    def _dependence(self) -> tuple[dict[str, str], set[str]]:
        """Return the values behind the case, and keys without effect."""
        config: Any = OmegaConf.to_container(self.config)
        values = _reached(config, "case")
        nodes = {group: group.rpartition("@")[2].replace("/", ".") for group in self.choices}
        used = [group for group in nodes if any(key.startswith(f"{nodes[group]}.") for key in values)]
        unused = {key for key, _ in _values_below("", config) if key not in values} | nodes.keys() - set(used)
        return {key: str(self.choices[key]) for key in used} | {key: _as_text(values[key]) for key in values}, unused

    @cached_property
    def _keys(self) -> list[str]:
        """Return the keys of the configuration outside its case, which only refers to them."""
        plain = OmegaConf.to_container(self.config)
        return [".".join(map(str, path)) for path, _ in _leaves(plain) if path[0] != "case" and "_target_" not in path]

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        return resolved_case(self.config)

    @cached_property
    def _pickled(self) -> bytes:
        return pickle.dumps(self._resolved)

    def _has(self, key: str) -> bool:
        """Return whether a key exists and no interpolation leads to it."""
        if OmegaConf.select(self.config, key, default=PROBE) == PROBE:
            return False
        *parents, _ = itertools.accumulate(key.split("."), "{}.{}".format)
        return not any(self._is_interpolation(parent) for parent in parents)

    def _is_interpolation(self, key: str) -> bool:
        above, _, name = key.rpartition(".")
        return bool(OmegaConf.is_interpolation(OmegaConf.select(self.config, above) if above else self.config, name))

    def _with(self, values: Mapping[str, Any]) -> DictConfig:
        config = deepcopy(self.config)
        for key, value in values.items():
            OmegaConf.update(config, key, value, merge=True)
        return config

    def _copies_of(self, keys: tuple[str, ...]) -> dict[Path, str] | None:
        """Return the paths at which the resolved case copies values, with their keys.

        None means that the case depends on some value in another way. Each key is set to a probe of its own. Where the
        probe appears unchanged the value is a copy; nothing else may change.
        """
        probes = {f"{PROBE}{number}": key for number, key in enumerate(keys)}
        try:
            probed = resolved_case(self._with({key: probe for probe, key in probes.items()}))
        except (OmegaConfBaseException, InputError):
            return None
        copies = {path: probes[value] for path, value in _leaves(probed) if isinstance(value, str) and value in probes}
        for path in copies:
            try:
                _value_at(probed, path[:-1])[path[-1]] = _value_at(self._resolved, path)
            except (KeyError, TypeError, IndexError):
                return None
        return copies if probed == self._resolved else None


def resolved_case(config: DictConfig) -> dict[str, Any]:
    """Return the part of a configuration that determines a point's numbers, as plain containers.

    Raises `InputError` for a number that is not finite and for a reference that leads nowhere.
    """
    with resolving(config):
        case: Any = OmegaConf.to_container(config.case, resolve=True, throw_on_missing=True)
    for path, value in _leaves(case):
        finite = not isinstance(value, float) or math.isfinite(value)
        require(finite, ".".join(map(str, path)), value, "must be a finite number")
    return {str(key): value for key, value in case.items()}


@contextmanager
def resolving(config: DictConfig) -> Iterator[None]:
    """Turn errors of references in a configuration into one sentence."""
    try:
        yield
    except OmegaConfBaseException as error:
        if input_error_behind(error) is not None:
            raise
        key = str(error.full_key)
        _, written = _node_at(OmegaConf.to_container(config), key)
        reason = WHILE_RESOLVING.sub("", str(error).splitlines()[0])
        raise InputError(f"{key} = {echo(written)}: cannot be resolved ({echo(reason)}); write a value") from error


def _is_plain(value: Any) -> bool:
    """Return whether a value is finite and neither a container nor an interpolation."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, int) or (isinstance(value, str) and "${" not in value)


def _leaves(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value that is no container, after the path to it."""
    if isinstance(node, (dict, list)):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _leaves(child, (*path, key))
    else:
        yield path, node


def _reached(config: dict[str, Any], key: str) -> dict[str, Any]:
    """Return unresolved values below a key and below its references."""
    reached: dict[str, Any] = {}
    pending = [key]
    while pending:
        for below, value in _values_below(*_node_at(config, pending.pop())):
            if below not in reached:
                reached[below] = value
                pending += _references(below, value)
    return reached


def _node_at(config: Any, key: str) -> tuple[str, Any]:
    """Return a key with its value.

    If a reference is on the way to it, return the part of the key that leads to the reference.
    """
    names = key.split(".")
    for depth, name in enumerate(names):
        if not isinstance(config, dict):
            return ".".join(names[:depth]), config
        config = config.get(name)
    return key, config


def _values_below(key: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Yield key and value of leaves, such as plain lists."""
    is_list = isinstance(node, list) and any(isinstance(child, (dict, list)) for child in node)
    if isinstance(node, dict) or is_list:
        for name, child in enumerate(node) if is_list else node.items():
            yield from _values_below(f"{key}.{name}" if key else str(name), child)
    else:
        yield key, node


def _references(key: str, value: Any) -> Iterator[str]:
    """Yield the keys that a value refers to.

    Leading dots stand for the nodes above it, as in OmegaConf.
    """
    for dots, name in REFERENCE.findall(str(value)):
        yield ".".join([*key.split(".")[: -len(dots)], name]) if dots else name


def _as_text(value: Any) -> str:
    """Return a value as on the command line."""
    if isinstance(value, list):
        return f"[{','.join(map(_as_text, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _value_at(node: Any, path: Path) -> Any:
    for key in path:
        node = node[key]
    return node
