"""Links between any two ends, listed row by row, perhaps in a CSV file of their own; directions may differ."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.networks.draw import NetworkDraw
from hardware_profiles.networks.european import LARGEST_MATRIX
from hardware_profiles.quantities import require_plausible, s_per_byte_of
from system import InputError
from system.checks import require, require_known, require_not_negative
from system.documents.text_files import read_text

FOLDER = Path(__file__).parents[1] / "links"
COLUMNS = ("from", "to", "latency_ms", "mbytes_per_s")
ORCHESTRATOR, ANY = "orchestrator", "*"

Rows = Sequence[Sequence[Any]]  # from, to, ms one way, MB/s or None for a link that takes no time for bytes
Floats = NDArray[np.float64]


def read_links(name: str, folder: Path = Path()) -> list[list[Any]]:
    """Return the rows of a file of links.

    A name that ends in .csv is a file of the folder; other names are those of `hardware_profiles/links/`. Raises
    `InputError` with the file and the line of the first mistake.
    """
    path = folder / name if name.endswith(".csv") else FOLDER / f"{name}.csv"
    remedy = "there is no such file of links; name a .csv file, or one of hardware_profiles/links without its ending"
    require(path.is_file(), "links", name, remedy)
    lines = [line for line in read_text(path).splitlines() if not line.startswith("#")]
    header, *rows = csv.reader(lines) if lines else ([],)
    titles = ",".join(header)
    require(titles == ",".join(COLUMNS), f"first line of {path}", titles, f"must be {','.join(COLUMNS)}")
    return [_typed(row, f"{path}, row {number}") for number, row in enumerate(rows, 1)]


def _typed(row: Sequence[str], where: str) -> list[Any]:
    """Return a row's texts and numbers; an empty bandwidth is None."""
    require(len(row) == len(COLUMNS), where, ",".join(row), f"must have the {len(COLUMNS)} columns {','.join(COLUMNS)}")
    source, target, latency, bandwidth = (cell.strip() for cell in row)
    try:
        return [source, target, float(latency), float(bandwidth) if bandwidth else None]
    except ValueError as error:
        raise InputError(f"{where} = {','.join(row)}: latency_ms and mbytes_per_s must be numbers") from error


def linked(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the rows of the file that a list names as its links."""
    links = content.get("links")
    return {"links": read_links(links, folder)} if isinstance(links, str) else {}


def network_of(rows: Rows, names: Sequence[str]) -> NetworkDraw:
    """Return the links of named servers.

    A row from * or to * is the default of all servers. The round trip of a pair is the sum of both directions. The
    seconds per byte to the orchestrator are the mean of both directions, as a visit crosses the link once in either.
    """
    require(
        len(names) <= LARGEST_MATRIX, "number of servers with links", len(names), f"list at most {LARGEST_MATRIX:,}"
    )
    require(ORCHESTRATOR not in names, "name of a server", ORCHESTRATOR, "is that of an end of links; use another name")
    require(isinstance(rows, list) and rows != [], "links", rows, "must be a file, or a list of rows")
    latency_s, s_per_byte = _matrices([_checked(row, number, names) for number, row in enumerate(rows, 1)], names)
    rtt_s = latency_s + latency_s.T
    to_orchestrator_s = (s_per_byte[-1, :-1] + s_per_byte[:-1, -1]) / 2
    between_s = s_per_byte[:-1, :-1]
    return NetworkDraw(
        rtt_s[-1, :-1],
        tuple(names),
        rtt_s[:-1, :-1],
        to_orchestrator_s if to_orchestrator_s.any() else None,
        between_s if between_s.any() else None,
    )


def _checked(row: Sequence[Any], number: int, names: Sequence[str]) -> tuple[str, str, float, float]:
    """Return a row as two ends, s and s per byte."""
    where = f"row {number} of links"
    require(isinstance(row, list) and len(row) == len(COLUMNS), where, row, f"must have {', '.join(COLUMNS)}")
    source, target, latency_ms, mbytes_per_s = row
    for column, end in zip(COLUMNS, (source, target), strict=False):
        require_known(f"{column} of {where}", str(end), (*names, ORCHESTRATOR, ANY))
    ends = {str(source), str(target)}
    clear = len(ends) == 2 if ends != {ANY} else True
    require(clear, where, f"from {source} to {target}", "must be a link between two different ends")
    mixed = ANY in ends and not ends <= {ANY, ORCHESTRATOR}
    remedy = f"{ANY} stands for all servers; name two servers, or {ANY} and {ANY}, or {ANY} and {ORCHESTRATOR}"
    require(not mixed, where, f"from {source} to {target}", remedy)
    require_not_negative(**{f"latency_ms of {where}": latency_ms})
    require_plausible("latency_ms", latency_ms, f"latency_ms of {where}")
    return str(source), str(target), latency_ms / 1e3, s_per_byte_of(mbytes_per_s, f"mbytes_per_s of {where}")


def _matrices(rows: Sequence[tuple[str, str, float, float]], names: Sequence[str]) -> tuple[Floats, Floats]:
    """Return (J + 1, J + 1) latencies and s per byte.

    The last end is the orchestrator. Defaults come first, so that rows of two named ends replace them.
    """
    ends = [*names, ORCHESTRATOR]
    members = {end: [index] for index, end in enumerate(ends)} | {ANY: list(range(len(names)))}
    latency_s, s_per_byte = np.full((2, len(ends), len(ends)), np.nan)
    seen: set[tuple[str, str]] = set()
    for source, target, one_way_s, byte_s in sorted(rows, key=lambda row: ANY not in row[:2]):
        require((source, target) not in seen, "links", f"from {source} to {target}", "is listed twice; remove one row")
        seen.add((source, target))
        link = np.ix_(members[source], members[target])
        latency_s[link], s_per_byte[link] = one_way_s, byte_s
    for values in (latency_s, s_per_byte):
        np.fill_diagonal(values, 0.0)
    for i, j in np.argwhere(np.isnan(latency_s))[:1]:
        remedy = f"list it, or add a row of defaults, from {ANY} to {ANY} or with {ORCHESTRATOR} as an end"
        require(False, "links", f"none from {ends[i]} to {ends[j]}", remedy)
    return latency_s, s_per_byte
