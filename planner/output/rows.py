"""Rows of a plan's pictures: servers by the blocks that they host."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from planner.results import Plan
from planner.words import some_names

MOST_ROWS = 44  # with a row for each server


class Row(NamedTuple):
    """Members of the plan with the same blocks, drawn as one bar."""

    servers: tuple[int, ...]
    label: str
    utilisation: float


def rows_of(plan: Plan) -> list[Row]:
    """Return the rows of hosting servers, ordered by their first block.

    Similar servers share a row if there are too many for one row per server.
    """
    placement = plan.composition.placement
    hosting = np.flatnonzero(placement.block_count > 0)
    hosting = hosting[np.lexsort((hosting, placement.end_block[hosting], placement.first_block[hosting]))]
    if hosting.size <= MOST_ROWS:
        return [_row(plan, (int(j),)) for j in hosting]
    alike: dict[tuple[int, ...], list[int]] = {}
    for j in hosting.tolist():
        key = (int(placement.first_block[j]), int(placement.end_block[j]), int(plan.inventory.groups[plan.members[j]]))
        alike.setdefault(key, []).append(j)
    return [_row(plan, tuple(servers)) for servers in alike.values()]


def servers_in_use(plan: Plan) -> NDArray[np.float64]:
    """Return (J,) shares of the caches that are in use."""
    if plan.user_speed is None:
        return plan.prediction.server_utilisation
    composition = plan.composition
    before = np.cumsum(composition.capacity) - composition.capacity
    users = np.clip(plan.user_speed.users - before, 0, composition.capacity)  # of each chain, the fastest first
    hop_slots = np.repeat(users, np.diff(composition.hop_start)) * composition.hop_blocks
    used = np.bincount(composition.hop_server, hop_slots, minlength=len(composition.system.servers))
    return used / np.maximum(composition.placement.cache_slots(composition.system), 1)


def _row(plan: Plan, servers: tuple[int, ...]) -> Row:
    gpu = plan.inventory.gpus[plan.members[servers[0]]]
    names = some_names(plan.inventory, [int(plan.members[j]) for j in servers], 1)
    return Row(servers, f"{names} ({gpu})", float(servers_in_use(plan)[list(servers)].mean()))
