"""The service model of an inventory: a file of `conf/service`, read without Hydra."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from hardware_profiles.profile import engine_constants
from system import InputError
from system.checks import require_known
from system.code.source import ROOT
from system.documents.entries import Entry
from system.documents.yaml_files import read_yaml
from system.service.independent import INDEPENDENT
from system.service.model import ServiceModel

FOLDER = ROOT / "conf" / "service"
CLASS = "_target_"
OF_ENGINE = re.compile(r"\$\{engine:(\w+),(\w+)\}")
HINT = "the name of a service model, such as steps"


@dataclass(frozen=True)
class NamedService:
    """A service model with its name and the options that the inventory gives."""

    name: str = "independent"
    options: Mapping[str, Any] = field(default_factory=dict)
    model: ServiceModel = INDEPENDENT

    @property
    def is_independent(self) -> bool:
        """Return whether no request slows another, so that the theory holds."""
        return self.model == INDEPENDENT

    @property
    def manner(self) -> str:
        """Return in words how servers compute where requests slow each other."""
        return (
            "compute all requests of a chain together" if self.model.loop == "rounds" else "compute one step at a time"
        )


def service_of(top: Entry) -> NamedService:
    """Return the service model that a file names under `service`, equation (2) by default.

    It is a name, or a mapping with a name and options that override those of its file. Raises `InputError` for unknown
    names and options, and for impossible values.
    """
    if "service" not in top:
        return NamedService()
    content = top.value("service", HINT)
    name = Entry("service", content).text("name", HINT) if isinstance(content, dict) else top.text("service", HINT)
    require_known("service", name, (path.stem for path in FOLDER.glob("*.yaml")))
    defaults = settings_in(FOLDER, name)
    module, _, class_name = defaults.pop(CLASS).rpartition(".")
    options = {}
    if isinstance(content, dict):
        Entry.of("service", content, ("name", *defaults))
        options = {key: value for key, value in content.items() if key != "name"}
    try:
        model = getattr(import_module(module), class_name)(**defaults | options)
    except InputError as error:
        raise InputError(f"service: {error}") from error
    return NamedService(name, options, model)


def settings_in(folder: Path, name: str) -> dict[str, Any]:
    """Return the settings in a file of a config group's folder.

    They override those of the files that it names under `defaults`.
    """
    content = read_yaml(folder / f"{name}.yaml", may_instruct=True)
    settings: dict[str, Any] = {}
    for parent in content.pop("defaults", ()):
        settings |= settings_in(folder, parent)
    return settings | {key: _resolved(value) for key, value in content.items()}


def _resolved(value: Any) -> Any:
    """Return a setting; one of an engine comes from the profile that it names."""
    match = OF_ENGINE.fullmatch(value) if isinstance(value, str) else None
    return engine_constants(match[1])[match[2]] if match else value
