"""Which blocks of a plan lie on which device of a machine."""

from collections.abc import Iterator
from typing import Any

from planner.choice.chains.ends import ends_gb
from planner.output.losses import LONGEST
from planner.results import Plan


def device_rows(plan: Plan, n: int) -> list[dict[str, Any]]:
    """Return the devices of server n with their ranges of blocks."""
    placement = plan.composition.placement
    first, rows = int(placement.first_block[n]), []
    for name, blocks in plan.inventory.blocks_by_device(int(plan.members[n]), *_hosted(plan, n)):
        rows.append({"device": name, "first_block": first, "end_block": first + blocks})
        first += blocks
    return rows


def device_lines(plan: Plan) -> Iterator[str]:
    """Yield a line for each machine with several devices, up to the longest table."""
    servers = plan.composition.system.servers
    inside = [(n, rows) for n in range(len(servers)) if len(rows := device_rows(plan, n)) > 1]
    for n, rows in inside[:LONGEST]:
        ranges = [f"{row['device']} {row['first_block']}:{row['end_block']}" for row in rows if _has_blocks(row)]
        if ranges:
            yield f"inside {servers.name(n)}: {', '.join(ranges)}"
    if len(inside) > LONGEST:
        yield f"{len(inside) - LONGEST} more machines have several devices; plan.json lists all"


def _has_blocks(row: dict[str, Any]) -> bool:
    return bool(row["end_block"] > row["first_block"])


def _hosted(plan: Plan, n: int) -> tuple[int, float, float]:
    """Return a server's blocks, caches beside each, and memory of ends."""
    blocks = int(plan.composition.placement.block_count[n])
    used = int(plan.composition.slots_used()[n])
    return blocks, max(1.0, used / max(1, blocks)), float(ends_gb(plan.composition, plan.inventory)[n])
