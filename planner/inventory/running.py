"""Layouts that already run: an inventory whose servers also say which blocks they host."""

from pathlib import Path
from typing import Any

import numpy as np

from planner.inventory.entries import Entry, read_yaml
from planner.inventory.inventory import Inventory
from planner.inventory.machines import SERVER_KEYS, server_entries
from planner.inventory.reading import TOP_KEYS, inventory_of
from system import Composition, InputError, Placement
from system.checks import require

CHAIN_KEYS = ("servers", "capacity")


def read_layout(path: Path) -> tuple[Inventory, Placement | Composition]:
    """An inventory file whose servers have `blocks: "0:18"`: blocks 0 to 17, counted as PETALS' `--block_indices`.

    With `chains`, a list of {servers: [names in order], capacity: jobs at once}, the chains are these and the layout
    is a composition; without it the servers form a swarm and the layout is a placement. Raises `InputError` with one
    sentence for the first mistake, `InfeasibleError` where blocks or capacities exceed a server's memory.
    """
    top = Entry.of("", read_yaml(path), (*TOP_KEYS, "chains"))
    entries = server_entries(top, (*SERVER_KEYS, "blocks"))
    inventory = inventory_of(_without_layout(top, entries), path.parent)
    ranges = np.array([_block_range(entry) for entry in entries])[inventory.groups]
    placement = Placement(ranges[:, 0], ranges[:, 1] - ranges[:, 0])
    placement.check(inventory.system(1.0))
    return inventory, _composition(top, inventory, placement) if "chains" in top else placement


def _without_layout(top: Entry, entries: list[Entry]) -> dict[str, Any]:
    """What an inventory's file would hold."""
    servers = [{key: value for key, value in entry.content.items() if key != "blocks"} for entry in entries]
    return {key: value for key, value in top.content.items() if key != "chains"} | {"servers": servers}


def _block_range(entry: Entry) -> tuple[int, int]:
    """First block and the one after the last."""
    hint = 'the range of its blocks, such as "0:18" for blocks 0 to 17'
    value = entry.value("blocks", hint)
    # To YAML an unquoted 18:32 is a number to the base 60.
    text = f"{value // 60}:{value % 60}" if isinstance(value, int) and value >= 60 else str(value)
    ends = text.split(":")
    whole = len(ends) == 2 and all(end.strip().isdecimal() for end in ends)
    require(whole and int(ends[0]) < int(ends[1]), entry.where("blocks"), repr(value), f"must be {hint}")
    return int(ends[0]), int(ends[1])


def _composition(top: Entry, inventory: Inventory, placement: Placement) -> Composition:
    listed = top.value("chains", "a list of chains")
    require(isinstance(listed, list) and listed != [], "chains", repr(listed), "must be a list of at least one chain")
    chains = [Entry.of(f"chain {n}", content, CHAIN_KEYS) for n, content in enumerate(listed, 1)]
    capacity = [chain.count("capacity", "how many jobs it may hold at once") for chain in chains]
    hops = [_hops(chain, inventory, placement) for chain in chains]
    start = np.concatenate([[0], np.cumsum([len(server) for server, _ in hops])])
    servers, blocks = (np.concatenate([hop[part] for hop in hops]) for part in (0, 1))
    return Composition.of_hops(inventory.system(1.0), placement, servers, blocks, start, np.array(capacity))


def _hops(chain: Entry, inventory: Inventory, placement: Placement) -> tuple[list[int], list[int]]:
    """The servers of a chain, and the blocks run at each: those after the ones that the server before has run."""
    names = chain.value("servers", "the names of its servers in order")
    listed = isinstance(names, list) and names != []
    require(listed, chain.where("servers"), repr(names), "must be a list of names")
    numbers = {name: j for j, name in enumerate(inventory.servers.names)}
    unknown = [name for name in names if str(name) not in numbers]
    if unknown:
        raise InputError(f"{chain.where('servers')} = {unknown[0]}: there is no such server, add it to servers")
    servers = [numbers[str(name)] for name in names]
    done = [0, *placement.end_block[servers].tolist()]
    for name, first, before, end in zip(names, placement.first_block[servers], done, done[1:], strict=False):
        hosted, needed = f"{name}, which hosts blocks {first}:{end}", f"must host block {before}, the next one"
        require(first <= before < end, chain.where("servers"), hosted, needed)
    blocks = inventory.model.block_count
    require(done[-1] == blocks, chain.where("servers"), names, f"end at block {done[-1]} of {blocks}, add servers")
    return servers, np.diff(done).tolist()
