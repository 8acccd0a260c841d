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
    name, dtype = _precision(system.model.name)
    system = replace(system, model=replace(system.model, name=name))
    return Deployment(replace(composition, system=system).under(policy), inventory.service.model, dtype)


def _precision(name: str) -> tuple[str, DtypeName]:
    """Return the name of a model without its precision, and the number format."""
    for precision in ("nf4", "int8"):
        if name.endswith(f"_{precision}"):
            raise InputError(f"weights of model = {precision}: are not served here; use 16 bit or float32")
    is_full = name.endswith("_float32")
    return name.removesuffix("_float32"), "float32" if is_full else "bfloat16"


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
