"""A study as one JSON document: everything that the card tells, whole and in plain types."""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np

from planner.inventory.inventory import Inventory
from planner.output.words import quantity_words
from planner.results import Plan, Study

FORMAT = 1


def plan_document(study: Study, best: Plan) -> dict[str, Any]:
    """The study, and the best plan if it is about a layout that runs already. Blocks count from 0, `end` excluded.

    `quantity` says what the candidates, the values of servers and the ranges are numbers of, and in which unit.
    """
    told: dict[str, Any] = {"format": FORMAT, "plan": _plan(study.plan)}
    if best is not study.plan:
        told["new_plan"] = _plan(best)
    others = [field.name for field in fields(study) if field.name != "plan"]
    told |= {name: _plain(getattr(study, name)) for name in others}
    told["quantity"] = dict(zip(("name", "unit"), quantity_words(study.plan.inventory.goal), strict=True))
    names = study.plan.inventory.servers
    for entry in told["unused"]:
        entry["server"] = names.name(entry["server"])
    for entry in told["server_values"]:
        entry["servers"] = [names.name(j) for j in entry["servers"]]
    return told


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "inventory": _inventory(plan.inventory),
        "reserved_capacity": plan.composition.placement.reserved_capacity,
        "servers": _servers(plan),
        "chains": _chains(plan),
        "prediction": _plain(plan.prediction) | {"load": plan.prediction.load},
        "candidates": _plain(plan.candidates),
    }


def _inventory(inventory: Inventory) -> dict[str, Any]:
    goal = {"kind": type(inventory.goal).__name__} | asdict(inventory.goal)
    return {
        "model": _plain(inventory.model),
        "derivation": list(inventory.derivation),
        "server_count": len(inventory.servers),
        "mean_job": list(inventory.workload.mean_job),
        "rate_per_s": inventory.rate_per_s,
        "service": {"name": inventory.service.name, "settings": _plain(inventory.service.model)},
        "goal": goal,
    }


def _servers(plan: Plan) -> list[dict[str, Any]]:
    """The members of the plan."""
    composition, cost = plan.composition, plan.inventory.cost_per_hour
    placement, servers = composition.placement, composition.system.servers
    slots, used = placement.cache_slots(composition.system), composition.slots_used()
    return [
        {
            "name": servers.name(n),
            "gpu": plan.inventory.gpus[j],
            "memory_gb": float(servers.memory_gb[n]),
            "first_block": int(placement.first_block[n]),
            "end_block": int(placement.end_block[n]),
            "cache_slots": int(slots[n]),
            "cache_slots_of_chains": int(used[n]),
            "utilisation": float(plan.prediction.server_utilisation[n]),
            "cost_per_hour": None if cost is None else float(cost[j]),
        }
        for n, j in enumerate(plan.members.tolist())
    ]


def _chains(plan: Plan) -> list[dict[str, Any]]:
    """Fastest first."""
    composition, prediction = plan.composition, plan.prediction
    first_token_s = composition.mean_first_token_s
    return [
        {
            "servers": [composition.system.servers.name(j) for j in chain.servers],
            "blocks": list(chain.blocks),
            "capacity": chain.capacity,
            "mean_service_s": chain.mean_service_s,
            "mean_first_token_s": float(first_token_s[k]),
            "share_of_jobs": float(prediction.chain_shares[k]),
            "utilisation": float(prediction.chain_utilisation[k]),
        }
        for k, chain in enumerate(composition.chains)
    ]


def _plain(value: Any) -> Any:
    """Of data classes, arrays and mappings what JSON has; keys of a mapping become text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
