"""Experiments on embedded data: what `data=embedded` replaces, so that nothing has to be downloaded.

conf/data/embedded.yaml lists a stand-in for each choice of a config group that needs recorded data. Stand-ins replace
what the configuration and the experiment choose, in axes too. A choice on the command line is never replaced: where it
needs recorded data, that is an error. An experiment that differs in more says so under `experiment.embedded`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sweep.expansion.template import Template
from system import InputError
from system.checks import require


def stand_ins_of(config: DictConfig) -> dict[str, dict[str, str]]:
    """Return the stand-ins by config group and choice; empty for recorded data."""
    stand_ins: dict[str, dict[str, str]] = OmegaConf.to_object(config.data.stand_ins)  # type: ignore[assignment]
    return stand_ins


def embedded_overrides(base: Template, given: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the overrides that replace recorded data in an experiment.

    There are none for data=recorded. `base` is composed of the experiment and of the choices in `given`, the keys of
    the command line with their values. Raises `InputError` where the command line chooses recorded data.
    """
    stand_ins = stand_ins_of(base.config)
    if not stand_ins:
        return []
    _require_embedded_choices(given, stand_ins)
    own = {_key(text): text for text in base.config.experiment.embedded.overrides}
    replaced = {
        group: f"{group}={stand_ins[group][choice]}"
        for group, choice in base.choices.items()
        if choice in stand_ins.get(group, {})
    }
    return [text for key, text in (replaced | own).items() if key not in given]


def declared_axes(config: DictConfig) -> Any:
    """Return the axes that an experiment declares for its data, before stand-ins."""
    is_embedded = bool(config.data.stand_ins) and config.experiment.embedded.axes is not None
    return config.experiment.embedded.axes if is_embedded else config.experiment.axes


def with_stand_ins(values: Sequence[str], stand_ins: Mapping[str, str]) -> str:
    """Return an axis as on the command line, with each stand-in once."""
    return ",".join(dict.fromkeys(stand_ins.get(value, value) for value in values))


def require_embedded(case: Mapping[str, Any]) -> None:
    """Raise `InputError` where a case reads a data set."""
    for key, entry in data_sets(case):
        raise InputError(
            f"{key}.dataset = {entry['name']}: is recorded data, which data=embedded does without; "
            f"choose another {key} or leave data=embedded out"
        )


def data_sets(node: Any, key: str = "") -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield key and registry entry of each data set that a case reads."""
    if isinstance(node, Mapping):
        if isinstance(node.get("dataset"), Mapping):
            yield key, node["dataset"]
        for name, child in node.items():
            yield from data_sets(child, name)
    elif isinstance(node, list):
        for child in node:
            yield from data_sets(child, key)


def _require_embedded_choices(given: Mapping[str, Sequence[str]], stand_ins: Mapping[str, Mapping[str, str]]) -> None:
    for group, values in given.items():
        for value in values:
            stand_in = stand_ins.get(group, {}).get(value)
            remedy = f"write {group}={stand_in} or leave data=embedded out"
            require(stand_in is None, group, value, f"needs recorded data, which data=embedded does without; {remedy}")


def _key(override: str) -> str:
    return override.split("=", 1)[0]
