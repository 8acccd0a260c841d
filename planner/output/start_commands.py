"""What engines need to know of a plan, and the start commands that follow."""

from collections.abc import Sequence
from functools import partial

from exports.chains import Export
from exports.llamacpp_script import llamacpp_export
from exports.machines import Device, Machine
from exports.petals import petals_export
from exports.scripts import Description
from exports.vllm import vllm_export
from hardware_profiles.listed.devices import Device as Listed
from hardware_profiles.listed.devices import device_blocks
from planner.results import Plan
from planner.words import digits
from system import ServedModel

EXPORTS = (llamacpp_export, petals_export, vllm_export)
SHARE = " x "  # between the number and the name of GPUs that share each block


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
        machines=_machines(plan),
    )


def _machines(plan: Plan) -> tuple[Machine, ...]:
    """Return the devices of each server, with the blocks that lie on them in the plan."""
    inventory, composition = plan.inventory, plan.composition
    placement = composition.placement
    slots = placement.cache_slots(composition.system)
    machines = []
    for member, (j, blocks) in enumerate(zip(plan.members.tolist(), placement.block_count.tolist(), strict=True)):
        devices = inventory.devices[j] if inventory.devices else ()
        if not devices:
            machines.append(Machine((Device(inventory.gpus[j]),)))
            continue
        jobs = max(1, int(slots[member]) // max(1, blocks))
        held = partial(_held, devices, inventory.model, jobs)
        machines.append(
            Machine(tuple(Device(device.name, device.kind, _sharing(device.name)) for device in devices), held)
        )
    return tuple(machines)


def _held(devices: Sequence[Listed], model: ServedModel, jobs: int, blocks: int) -> tuple[int, ...]:
    """Return how many of some blocks lie on each device, beside the caches of some jobs."""
    return device_blocks(devices, blocks, model, jobs)


def _sharing(name: str) -> int:
    """Return how many GPUs share each block of a device, such as 4 for "4 x rtx_3090"."""
    count, _, shared = name.partition(SHARE)
    return int(count) if shared and count.isdecimal() else 1
