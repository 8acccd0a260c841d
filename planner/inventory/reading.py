"""Reading an inventory file (YAML) as an `Inventory`; `planner/examples/` has examples of such files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from hardware_profiles.listed.devices import plain_name
from hardware_profiles.listed.gpus import profiles_in, reserve_gb
from hardware_profiles.listed.link_rows import linked
from hardware_profiles.listed.machines import LIST_KEYS, Machines, machines_of, server_entries
from hardware_profiles.listed.named_links import link_lines
from planner.inventory.efficiency import Efficiency, Use, efficiency_of
from planner.inventory.engines import engine_of
from planner.inventory.goals import Cheapest, goal_of
from planner.inventory.inventory import Inventory
from planner.inventory.model_lines import derivation
from planner.inventory.models import model_of
from planner.inventory.overheads import NOTHING, overhead_lines, overheads_of, with_overheads
from planner.inventory.requests import users_of, workload_of
from planner.inventory.services import service_of
from system import InputError, ServedModel, Servers
from system.checks import echo, require_one_of
from system.documents.entries import Entry
from system.documents.yaml_files import read_yaml
from system.limits import TOKENS
from system.system import Forwarding

TOP_KEYS = ("model", "cache_tokens", *LIST_KEYS, "overheads", "forwarding", "workload", "engine", "service", "goal")


def read_inventory(path: Path) -> Inventory:
    """Return the inventory of a file.

    Paths in the file are relative to its folder. Raises `InputError` with one sentence for its first mistake.
    """
    content = read_yaml(path)
    servers = content.get("servers") if isinstance(content, dict) else None
    for server in servers if isinstance(servers, list) else ():
        if isinstance(server, dict) and "blocks" in server:
            raise InputError(
                f"blocks of server {echo(server.get('name'))}: this file is a layout; use plan.py evaluate to read it"
            )
    return inventory_of(content, path.parent)


def inventory_of(content: Any, folder: Path, efficiency: Efficiency | None = None) -> Inventory:
    """Return the inventory of a file's content.

    Paths in it are relative to the folder. The efficiency is by default that of the engine by all measured points.
    """
    top = Entry.of("", content, TOP_KEYS)
    top = Entry("", {**top.content, **linked(top.content, folder)})
    goal = goal_of(top)
    choice = model_of(top, folder)
    hint = "the tokens of a request, prompt and output together, that its cache can hold"
    limit = top.count("cache_tokens", hint, TOKENS)
    users = users_of(top)
    workload, rate_per_s = workload_of(top, folder, goal, limit)
    slot_tokens = workload.cache_tokens(limit)
    model = choice.served(slot_tokens)
    engine = engine_of(top)
    use = Use(efficiency or efficiency_of(engine.name))
    machines = machines_of(top, model, profiles_in(folder), NOTHING, use.shares)
    overheads = overheads_of(top, engine)
    if isinstance(goal, Cheapest) and machines.cost_per_hour is None:
        raise InputError("cost_per_hour is missing: the goal cheapest needs it for every server")
    return Inventory(
        model=model,
        family=choice.decoder.family,
        weights=choice.weights,
        cache=choice.cache,
        derivation=(
            *derivation(choice, model),
            _reserve_line(reserve_gb(model)),
            *link_lines(top, server_entries(top)),
            *overhead_lines(machines.servers, overheads, engine),
            *_activation_lines(machines.servers, model),
            *machines.notes,
            *use.lines(model),
        ),
        servers=with_overheads(machines.servers, overheads),
        gpus=machines.gpus,
        groups=machines.groups,
        devices=machines.devices,
        cost_per_hour=machines.cost_per_hour,
        workload=workload.fitted(slot_tokens),
        rate_per_s=rate_per_s,
        goal=goal,
        engine=engine,
        service=service_of(top),
        forwarding=_forwarding(top),
        users=users,
        spread=use.spread(_devices(machines), model),
    )


def _forwarding(top: Entry) -> Forwarding:
    """Return how activations get from server to server; over the hub by default."""
    if "forwarding" not in top:
        return "hub"
    chosen = top.text("forwarding", "hub or direct")
    require_one_of(get_args(Forwarding), forwarding=chosen)
    return "direct" if chosen == "direct" else "hub"


def _devices(machines: Machines) -> list[list[str]]:
    """Return the names of each server's devices, without their counts."""
    inside = machines.devices or ((),) * len(machines.gpus)
    return [list(map(plain_name, own)) or [gpu] for own, gpu in zip(inside, machines.gpus, strict=True)]


def _reserve_line(reserve: float) -> str:
    return (
        f"{reserve:.3g} GB of a server's memory are reserved for workspace (2 GiB x hidden size / 14336, as in PETALS) "
        "where free_memory_gb is not given"
    )


def _activation_lines(servers: Servers, model: ServedModel) -> Iterator[str]:
    """Yield a line about activations if links have a bandwidth."""
    if servers.activation_s is not None or servers.communication_s[:, 1].any():
        yield (
            f"activations of a token between two blocks: 2 B x hidden size = {model.activation_bytes:,} B, over the "
            "given bandwidths"
        )
