"""Choices of a command that do not fit each other, such as a network beside servers that have links of their own."""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from sweep.frame import Frame
from system.checks import require

# Groups that only some clusters use. Algorithms may use any part of a scheme, so other groups are not looked at.
OF_CLUSTERS = ("network", "constants")
FURTHER = ("case", "precision", "metric", "hydra")  # keys beside those of the frame
ROOT_KEY = re.compile(r"[.@/]")  # ends the first part of a key
INTERPOLATED = re.compile(r"\$\{(\w+)\.?")


def require_used(config: DictConfig, choices: Mapping[str, str | None], given: Mapping[str, str]) -> None:
    """Raise `InputError` for given networks, constants or new keys without use.

    `choices` are the choices of all config groups, and `given` the values that the command itself gives by key.
    """
    plain = OmegaConf.to_container(config, resolve=False)
    used = {*Frame._fields, *FURTHER, *choices, *(key for text in _texts(plain) for key in INTERPOLATED.findall(text))}
    for key in given:
        remedy = "nothing uses this new key; leave it out, or set one that `python run.py --cfg job` shows"
        require(key[0] != "+" or ROOT_KEY.split(key.lstrip("+"))[0] in used, key, given[key], remedy)
    chosen = [group for group in OF_CLUSTERS if group in given]
    if chosen:
        used = _reached(plain, "case", set())
        for group in chosen:
            remedy = f"nothing uses it, as cluster={choices['cluster']} has values of its own; leave {group} out"
            require(group in used, group, given[group], remedy)


def require_settings(config: DictConfig, choices: Mapping[str, str | None], given: Collection[str]) -> None:
    """Raise `InputError` for settings that given choices cannot have.

    The experiment makes such a setting for another choice of the group.
    """
    own = {key.lstrip("+") for key in given}
    for group in [key for key in given if key in choices and "_target_" in config.get(key, ())]:
        for key in _unknown_keys(config[group]):
            remedy = f"the experiment sets it, but {group}={choices[group]} has no such key; add ~{group}.{key}"
            require(f"{group}.{key}" in own, f"{group}.{key}", config[group][key], remedy)


def _unknown_keys(settings: DictConfig) -> list[str]:
    """Return the keys that the target of settings refuses."""
    parameters = inspect.signature(get_object(settings["_target_"])).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return []
    return [str(key) for key in settings if key != "_target_" and key not in parameters]


def _reached(config: Any, group: str, seen: set[str]) -> set[str]:
    """Return top-level keys that a part of a configuration names."""
    seen.add(group)
    for text in _texts(config[group]):
        for key in INTERPOLATED.findall(text):
            if key in config and key not in seen:
                _reached(config, key, seen)
    return seen


def _texts(node: Any) -> Iterator[str]:
    """Yield all texts of plain containers."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, (dict, list)):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _texts(child)
