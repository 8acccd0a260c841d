"""What engines need to know of a plan, and the start commands that follow."""

from exports.chains import Export
from exports.llamacpp_script import llamacpp_export
from exports.petals import petals_export
from exports.scripts import Description
from exports.vllm import vllm_export
from planner.results import Plan
from planner.words import digits

EXPORTS = (llamacpp_export, petals_export, vllm_export)


def exports(plan: Plan) -> list[Export]:
    """Return the start commands of a plan for every engine."""
    return [export(plan.composition, description(plan)) for export in EXPORTS]


def description(plan: Plan) -> Description:
    """Return what engines need to know of a plan beside its composition."""
    inventory, prediction = plan.inventory, plan.prediction
    return Description(
        model=inventory.model.name.removesuffix(f"_{inventory.weights}"),
        family=inventory.family,
        weights=inventory.weights,
        cache=inventory.cache,
        labels=tuple(inventory.gpus[j] for j in plan.members),
        about=f"{inventory.model.name} at {digits(prediction.rate_per_s)} requests/s: predicted mean "
        f"{digits(prediction.mean_s, 's')}, P95 {digits(prediction.quantiles_s[0.95], 's')}",
    )
