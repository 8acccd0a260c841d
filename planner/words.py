"""Numbers, words and tables for people."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from planner.inventory.goals import Cheapest, Goal, LargestRate, MostTokens, ShortestFirstToken
from planner.inventory.inventory import Inventory
from planner.inventory.services import NamedService
from system.words import shortened


def digits(value: float | None, unit: str = "") -> str:
    """Return a number with three digits and its unit, or a dash."""
    if value is None or not np.isfinite(value):
        return "-"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 1000:
        text = f"{rounded:,.0f}"
    else:
        text = f"{rounded:#.3g}".rstrip(".") if abs(rounded) >= 0.001 else f"{rounded:.3g}"
    return f"{text} {unit}".rstrip()


def percent(share: float) -> str:
    """Return a share in percent, with one decimal below 10 %."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def time_words(quantile: float | None) -> str:
    """Return the name of a quantile of the response time, or of its mean."""
    return "mean response time" if quantile is None else f"P{100 * quantile:g} response time"


def goal_words(goal: Goal) -> str:
    """Return the goal of a plan in words."""
    if isinstance(goal, MostTokens):
        return "the most tokens/s for each user"
    if isinstance(goal, ShortestFirstToken):
        return "the shortest time to the first token for each user"
    time = time_words(goal.quantile)
    if isinstance(goal, LargestRate):
        return f"the largest rate with a {time} of at most {goal.slo_s:g} s"
    if isinstance(goal, Cheapest):
        return f"the lowest cost with a {time} of at most {goal.slo_s:g} s"
    return f"the lowest {time}"


def service_words(service: NamedService) -> str:
    """Return the name of a service model with the options that were given."""
    options = ", ".join(f"{key} = {value}" for key, value in service.options.items())
    return f"the service model {service.name}" + (f" ({options})" if options else "")


def quantity_words(goal: Goal) -> tuple[str, str]:
    """Return the quantity of candidates, server values and input ranges, and its unit."""
    if isinstance(goal, MostTokens):
        return "tokens/s of a user", "tokens/s"
    if isinstance(goal, ShortestFirstToken):
        return "time to the first token", "s"
    if isinstance(goal, LargestRate):
        return f"largest rate with P{100 * goal.quantile:g} within {goal.slo_s:g} s", "/s"
    return time_words(goal.quantile), "s"


def some_names(inventory: Inventory, servers: Sequence[int], most: int = 3) -> str:
    """Return the names of the first servers and how many more there are."""
    return shortened([inventory.servers.name(j) for j in servers], most)


class TableLine(str):
    """A line of a table in columns, which keeps its cells for other ways to show the table."""

    cells: tuple[str, ...]
    is_header: bool

    @classmethod
    def of(cls, text: str, cells: Sequence[str], is_header: bool) -> Self:
        """Return the line of these cells."""
        line = cls(text)
        line.cells, line.is_header = tuple(cells), is_header
        return line


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Return the lines of a table (`TableLine`), with text aligned left and numbers right."""
    table = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    is_number = [all(_is_number(row[n]) for row in table[1:]) for n in range(len(header))]
    texts = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, is_number, strict=True)
        )
        for row in table
    ]
    return [
        TableLine.of((indent + text).rstrip(), row, n == 0)
        for n, (text, row) in enumerate(zip(texts, table, strict=True))
    ]


def _is_number(cell: str) -> bool:
    return cell == "" or cell[0].isdigit() or cell[0] in "+-"
