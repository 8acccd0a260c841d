"""Numbers and tables for people."""

from collections.abc import Sequence

import numpy as np

from planner.inventory.goals import Cheapest, Goal, LargestRate
from planner.inventory.inventory import Inventory
from planner.inventory.services import NamedService
from system import Composition


def digits(value: float | None, unit: str = "") -> str:
    """A number to the three digits that it is worth, with its unit; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "-"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 1000:
        text = f"{rounded:,.0f}"
    else:
        text = f"{rounded:#.3g}".rstrip(".") if abs(rounded) >= 0.001 else f"{rounded:.3g}"
    return f"{text} {unit}".rstrip()


def counted(number: int, thing: str) -> str:
    """A number of things, one of them without an s."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def goal_words(goal: Goal) -> str:
    """What the plan was chosen for."""
    time = "mean response time" if goal.quantile is None else f"P{100 * goal.quantile:g} of the response time"
    if isinstance(goal, LargestRate):
        return f"the largest rate with {time} within {goal.slo_s:g} s"
    if isinstance(goal, Cheapest):
        return f"the least cost with {time} within {goal.slo_s:g} s"
    return f"the least {time}"


def service_words(service: NamedService) -> str:
    """Return the name of a service model with the options that were given."""
    options = ", ".join(f"{key} = {value}" for key, value in service.options.items())
    return f"the service model {service.name}" + (f" ({options})" if options else "")


def quantity_words(goal: Goal) -> tuple[str, str]:
    """The quantity that the value of servers and the ranges are about, and its unit."""
    if isinstance(goal, LargestRate):
        return f"largest rate with P{100 * goal.quantile:g} within {goal.slo_s:g} s", "/s"
    return ("mean" if goal.quantile is None else f"P{100 * goal.quantile:g}") + " response time", "s"


def some_names(inventory: Inventory, servers: Sequence[int], most: int = 3) -> str:
    """The first names of servers of the inventory, and how many more there are."""
    names = [inventory.servers.name(j) for j in servers[:most]]
    more = len(servers) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def hop_words(composition: Composition, k: int) -> list[str]:
    """Each hop of chain k as `server first:end`, blocks counted as PETALS does."""
    chain, done, words = composition.chain(k), 0, []
    for server, blocks in zip(chain.servers, chain.blocks, strict=True):
        words.append(f"{composition.system.servers.name(server)} {done}:{done + blocks}")
        done += blocks
    return words


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """A table in lines: text to the left, all columns but the first that hold numbers to the right."""
    table = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    is_number = [all(_is_number(row[n]) for row in table[1:]) for n in range(len(header))]
    return [
        indent
        + "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in table
    ]


def _is_number(cell: str) -> bool:
    return cell == "" or cell[0].isdigit() or cell[0] in "+-"
