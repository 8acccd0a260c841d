"""A study as one JSON document: the contents of the card, complete and in plain types."""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np

from planner.inventory.inventory import Inventory
from planner.output.devices import device_rows
from planner.output.rows import servers_in_use
from planner.output.start_commands import exports
from planner.results import Plan, Prediction, Study
from planner.words import quantity_words

FORMAT = 2


def plan_document(study: Study, best: Plan) -> dict[str, Any]:
    """Return the study as a JSON document.

    It includes the best new plan if the study is about a layout that already runs. Blocks count from 0, and `end_block`
    is excluded. `quantity` names the quantity of the candidates, server values, changes and ranges, and its unit.
    `user_speeds` and `what_if` have the answers for k users and for other machines. With users, alternatives
    have no prediction, and that of the plan is at a rate as high as theirs.
    """
    document: dict[str, Any] = {"format": FORMAT, "plan": _plan(study.plan)}
    if best is not study.plan:
        document["new_plan"] = _plan(best)
    parts = [field.name for field in fields(study) if field.name != "plan"]
    document |= {name: _plain(getattr(study, name)) for name in parts}
    document["quantity"] = dict(zip(("name", "unit"), quantity_words(study.plan.inventory.goal), strict=True))
    names = study.plan.inventory.servers
    if study.plan.user_speed is not None:  # no rate, and no times at one
        document["alternatives"] = [entry | {"prediction": None} for entry in document["alternatives"]]
    for entry in document["unused"]:
        entry["server"] = names.name(entry["server"])
    for entry in document["server_values"]:
        entry["servers"] = [names.name(j) for j in entry["servers"]]
    for entry in document["what_if"]:
        entry["server"] = None if entry["server"] is None else names.name(entry["server"])
    return document


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "inventory": _inventory(plan.inventory),
        "reserved_capacity": None if plan.is_searched else plan.composition.placement.reserved_capacity,
        "search": _plain(plan.search),
        "certificate": None if plan.certificate is None else {**asdict(plan.certificate), "gap": plan.gap},
        "accuracy": plan.accuracy,
        "computation": _plain(plan.computation),
        "restriction": _plain(plan.restriction),
        "servers": _servers(plan),
        "chains": _chains(plan),
        "prediction": _prediction(plan.prediction),
        "user_speed": _plain(plan.user_speed),
        "candidates": _plain(plan.candidates),
        "start_commands": _start_commands(plan),
    }


def _prediction(prediction: Prediction) -> dict[str, Any]:
    loads = {name: getattr(prediction, name) for name in ("load", "load_of_saturation")}
    return _plain(prediction) | loads


def _inventory(inventory: Inventory) -> dict[str, Any]:
    goal = {"kind": type(inventory.goal).__name__} | asdict(inventory.goal)
    return {
        "model": _plain(inventory.model),
        "derivation": list(inventory.derivation),
        "forwarding": inventory.forwarding,
        "server_count": len(inventory.servers),
        "mean_job": list(inventory.workload.mean_job),
        "rate_per_s": inventory.rate_per_s,
        "users": _plain(inventory.users),
        "engine": inventory.engine.name,
        "service": {"name": inventory.service.name, "settings": _plain(inventory.service.model)},
        "goal": goal,
    }


def _servers(plan: Plan) -> list[dict[str, Any]]:
    """Return the members of the plan."""
    composition, cost = plan.composition, plan.inventory.cost_per_hour
    placement, servers = composition.placement, composition.system.servers
    slots, used = placement.cache_slots(composition.system), composition.slots_used()
    in_use = servers_in_use(plan)
    return [
        {
            "name": servers.name(n),
            "gpu": plan.inventory.gpus[j],
            "devices": device_rows(plan, n),
            "memory_gb": float(servers.memory_gb[n]),
            "first_block": int(placement.first_block[n]),
            "end_block": int(placement.end_block[n]),
            "cache_slots": int(slots[n]),
            "cache_slots_of_chains": int(used[n]),
            "utilisation": float(in_use[n]),
            "cost_per_hour": None if cost is None else float(cost[j]),
        }
        for n, j in enumerate(plan.members.tolist())
    ]


def _chains(plan: Plan) -> list[dict[str, Any]]:
    """Return the chains, the fastest first."""
    composition, prediction = plan.composition, plan.prediction
    first_token_s, at_rate = composition.mean_first_token_s, plan.user_speed is None
    return [
        {
            "servers": [composition.system.servers.name(j) for j in chain.servers],
            "blocks": list(chain.blocks),
            "capacity": chain.capacity,
            "mean_service_s": chain.mean_service_s,
            "mean_first_token_s": float(first_token_s[k]),
            "share_of_jobs": float(prediction.chain_shares[k]) if at_rate else None,
            "utilisation": float(prediction.chain_utilisation[k]) if at_rate else None,
        }
        for k, chain in enumerate(composition.chains)
    ]


def _start_commands(plan: Plan) -> list[dict[str, Any]]:
    """Return the chains that each engine can start, as indices, and why not all."""
    return [
        {"engine": export.engine, "chains": list(export.chains), "reason": export.reason} for export in exports(plan)
    ]


def _plain(value: Any) -> Any:
    """Return data classes, arrays and mappings as JSON types; keys become text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
