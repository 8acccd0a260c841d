"""Layouts that already run: an inventory with the blocks that each server hosts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.published_layout import block_range
from hardware_profiles.listed.machines import SERVER_KEYS, server_entries
from planner.inventory.inventory import Inventory
from planner.inventory.reading import TOP_KEYS, inventory_of
from system import Composition, InputError, Placement
from system.checks import echo, require
from system.documents.entries import Entry
from system.documents.yaml_files import read_yaml
from system.limits import SLOTS

CHAIN_KEYS = ("servers", "capacity")


def read_layout(path: Path) -> tuple[Inventory, Placement | Composition]:
    """Return the inventory and the layout of a file.

    Each server of the file has `blocks`, such as "0:18" for blocks 0 to 17, counted as by PETALS' `--block_indices`.
    With `chains`, a list of {servers: [names in order], capacity: jobs at once}, the layout is a composition of these
    chains. Without it the servers form a swarm, and the layout is a placement. Raises `InputError` with one sentence
    for the first mistake, and `InfeasibleError` where blocks or capacities exceed a server's memory.
    """
    top = Entry.of("", read_yaml(path), (*TOP_KEYS, "chains"))
    entries = server_entries(top, (*SERVER_KEYS, "blocks"))
    inventory = inventory_of(_without_layout(top, entries), path.parent)
    ranges = np.array([_block_range(entry) for entry in entries])[inventory.groups]
    placement = Placement(ranges[:, 0], ranges[:, 1] - ranges[:, 0])
    placement.check(inventory.system(1.0))
    return inventory, _composition(top, inventory, placement) if "chains" in top else placement


def _without_layout(top: Entry, entries: list[Entry]) -> dict[str, Any]:
    """Return the content of the file as of an inventory, without blocks and chains."""
    servers = [{key: value for key, value in entry.content.items() if key != "blocks"} for entry in entries]
    return {key: value for key, value in top.content.items() if key != "chains"} | {"servers": servers}


def _block_range(entry: Entry) -> tuple[int, int]:
    """Return the first block and the block after the last."""
    value = entry.value("blocks", 'the range of its blocks, such as "0:18" for blocks 0 to 17')
    return block_range(entry.where("blocks"), value)


def _composition(top: Entry, inventory: Inventory, placement: Placement) -> Composition:
    listed = top.value("chains", "a list of chains")
    require(isinstance(listed, list) and listed != [], "chains", listed, "must be a list of at least one chain")
    chains = [Entry.of(f"chain {n}", content, CHAIN_KEYS) for n, content in enumerate(listed, 1)]
    capacity = [chain.count("capacity", "how many jobs it serves at once", SLOTS) for chain in chains]
    numbers = {name: j for j, name in enumerate(inventory.servers.names)}
    hops = [_hops(chain, numbers, inventory.model.block_count, placement) for chain in chains]
    start = np.concatenate([[0], np.cumsum([len(server) for server, _ in hops])])
    servers, blocks = (np.concatenate([hop[part] for hop in hops]) for part in (0, 1))
    return Composition.of_hops(inventory.system(1.0), placement, servers, blocks, start, np.array(capacity))


def _hops(
    chain: Entry, numbers: Mapping[str, int], block_count: int, placement: Placement
) -> tuple[list[int], list[int]]:
    """Return the servers of a chain and the number of blocks run at each.

    `numbers` has the servers' numbers by name. Each server runs the blocks after those of the server before it.
    """
    names = chain.value("servers", "the names of its servers in order")
    listed = isinstance(names, list) and names != []
    require(listed, chain.where("servers"), names, "must be a list of names")
    names = [str(name).strip() for name in names]
    unknown = [name for name in names if name not in numbers]
    if unknown:
        raise InputError(f"{chain.where('servers')} = {echo(unknown[0])}: there is no such server; add it to servers")
    servers = [numbers[name] for name in names]
    done = [0, *placement.end_block[servers].tolist()]
    for name, first, before, end in zip(names, placement.first_block[servers], done, done[1:], strict=False):
        hosted, needed = f"{name}, which hosts blocks {first}:{end}", f"must host block {before}, the next one"
        require(first <= before < end, chain.where("servers"), hosted, needed)
    remedy = f"they end at block {done[-1]} of {block_count}; add servers"
    require(done[-1] == block_count, chain.where("servers"), names, remedy)
    return servers, np.diff(done).tolist()
