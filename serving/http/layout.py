"""What the front serves: the layout of a file, as `plan.py evaluate` reads it, under a dispatch policy."""

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from algorithms.allocation.gca import gca
from planner.inventory.running import read_layout
from planner.inventory.services import CLASS, settings_in
from serving.server.spec import DtypeName
from system import Composition, InputError
from system.checks import require_known
from system.code.source import ROOT
from system.dispatch import Dispatch
from system.service.model import ServiceModel

DISPATCH = ROOT / "conf" / "dispatch"
DTYPES: dict[str, DtypeName] = {"16 bit": "bfloat16", "float32": "float32"}  # by the precision of weights
BY_PATH = ("hydra.utils.get_object", "hydra.utils.get_method")


@dataclass(frozen=True)
class Deployment:
    """A composition under its policy, how its servers compute steps, and the number format of its weights."""

    composition: Composition
    service: ServiceModel
    dtype: DtypeName


def deployment_of(path: Path, dispatch: str) -> Deployment:
    """Return what a layout file describes, under the policy of `conf/dispatch` with this name.

    Without chains in the file, GCA forms them. Raises `InputError` with one sentence for the file's first mistake.
    """
    policy = dispatch_named(dispatch)
    inventory, layout = read_layout(path)
    system = inventory.system(inventory.rate_per_s or 1.0)
    composition = layout if isinstance(layout, Composition) else gca(system, layout)
    name, dtype = system.model.name.removesuffix(f"_{inventory.weights}"), _dtype(inventory.weights)
    system = replace(system, model=replace(system.model, name=name))
    return Deployment(replace(composition, system=system).under(policy), inventory.service.model, dtype)


def _dtype(weights: str) -> DtypeName:
    """Return the number format in which weights of a precision are served."""
    if weights not in DTYPES:
        raise InputError(f"weights of model = {weights}: are not served here; use {' or '.join(DTYPES)}")
    return DTYPES[weights]


def dispatch_named(name: str) -> Dispatch:
    """Return a policy of `conf/dispatch`, read without Hydra."""
    require_known("dispatch", name, (path.stem for path in DISPATCH.glob("*.yaml")))
    policy = _made(settings_in(DISPATCH, name))
    assert isinstance(policy, Dispatch)
    return policy


def _made(content: Any) -> Any:
    """Return the object that a mapping describes, or another value as it is."""
    if not isinstance(content, dict):
        return content
    arguments = {key: _made(value) for key, value in content.items() if key != CLASS}
    is_path = content[CLASS] in BY_PATH
    module, _, attribute = str(arguments["path"] if is_path else content[CLASS]).rpartition(".")
    target = getattr(import_module(module), attribute)
    return target if is_path else target(**arguments)
