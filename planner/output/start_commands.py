"""What engines need to know of a plan, and the start commands that follow."""

from functools import partial

from exports.chains import Export
from exports.llamacpp_script import llamacpp_export
from exports.machines import Device, Machine
from exports.petals import petals_export
from exports.scripts import Description
from exports.vllm import vllm_export
from planner.inventory.inventory import Inventory
from planner.results import Plan
from planner.words import digits
from system.words import counted

EXPORTS = (llamacpp_export, petals_export, vllm_export)
SHARE = " x "  # between the number and the name of GPUs that share each block


def exports(plan: Plan) -> list[Export]:
    """Return the start commands of a plan for every engine."""
    return [export(plan.composition, description(plan)) for export in EXPORTS]


def description(plan: Plan) -> Description:
    """Return what engines need to know of a plan beside its composition."""
    inventory = plan.inventory
    return Description(
        model=inventory.model.name.removesuffix(f"_{inventory.weights}"),
        family=inventory.family,
        weights=inventory.weights,
        cache=inventory.cache,
        labels=tuple(inventory.gpus[j] for j in plan.members),
        about=f"{inventory.model.name} {_predicted(plan)}",
        machines=_machines(plan),
    )


def _predicted(plan: Plan) -> str:
    """Return the speed of its users, or response times at its rate."""
    prediction, speed = plan.prediction, plan.user_speed
    if speed is not None:
        return (
            f"for {counted(speed.users, 'user')} at once: predicted {digits(speed.tokens_per_s)} tokens/s for each, "
            f"the first token after {digits(speed.first_token_s, 's')}"
        )
    mean, p95 = digits(prediction.mean_s, "s"), digits(prediction.quantiles_s[0.95], "s")
    return f"at {digits(prediction.rate_per_s)} requests/s: predicted mean {mean}, P95 {p95}"


def _machines(plan: Plan) -> tuple[Machine, ...]:
    """Return the devices of each server, with the blocks on them."""
    inventory, composition = plan.inventory, plan.composition
    hosted, used = composition.placement.block_count, composition.slots_used()
    machines = []
    for j, blocks, slots in zip(plan.members.tolist(), hosted.tolist(), used.tolist(), strict=True):
        listed = inventory.devices[j] if inventory.devices else ()
        devices = tuple(Device(device.name, device.kind, _sharing(device.name)) for device in listed)
        jobs = max(1.0, slots / max(1, blocks))
        held = partial(_held, inventory, j, jobs)
        machines.append(Machine(devices, held) if devices else Machine((Device(inventory.gpus[j]),)))
    return tuple(machines)


def _held(inventory: Inventory, j: int, jobs: float, blocks: int) -> tuple[int, ...]:
    """Return how many of some blocks lie on each device of server j."""
    return tuple(count for _, count in inventory.blocks_by_device(j, blocks, jobs))


def _sharing(name: str) -> int:
    """Return how many GPUs share each block, such as 4 for "4 x rtx_3090"."""
    count, _, shared = name.partition(SHARE)
    return int(count) if shared and count.isdecimal() else 1
