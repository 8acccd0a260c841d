"""Networks from round-trip times of RIPE Atlas anchors in Europe, measured in July 2024.

The file has one row per measurement: the anchor, four latencies in ms and the anchor's position. The four latency
columns belong to four fixed vantage points, so only times between vantage points and anchors are measured. Times
between anchors are synthetic.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import StringIO
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.networks.draw import (
    NetworkDraw,
    NetworkFile,
    around,
    draw_nodes,
    require_nodes,
    require_orchestrator,
    require_size,
)
from hardware_profiles.networks.great_circle import great_circle_km
from system.checks import require, require_one_of
from system.documents.text_files import read_text
from system.errors import InputError
from system.limits import DELAY_S

LATENCY_COLUMNS = ("latency_m1", "latency_m2", "latency_m3", "latency_m4")
POSITION_COLUMNS = ("latitude", "longitude")

# The largest number that a column can have; a position can be as far below 0.
LARGEST = dict.fromkeys(LATENCY_COLUMNS, DELAY_S * 1000) | {"latitude": 90, "longitude": 180}

# The authors' formula for the time between two anchors (construct_rtt_from_ripe_atlas.m).
MEDIAN_SHARE = 0.3
DISTANCE_MS_PER_KM = 0.01

NUMBERINGS = ("random", "nearest_first")  # of servers


@dataclass(frozen=True)
class Anchors:
    """n anchors with the medians over time of their latencies."""

    names: tuple[str, ...]  # (n,)
    vantage_rtt_s: NDArray[np.float64]  # (n, 4), median of each latency column
    pooled_rtt_s: NDArray[np.float64]  # (n,), median of all four columns together
    position_deg: NDArray[np.float64]  # (n, 2), latitude and longitude

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class RipeMeasured:
    """Measured times: a random vantage point is the orchestrator, and random anchors are the servers.

    Times between servers are not known.
    """

    dataset: NetworkFile

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Draw J anchors without replacement.

        Their times are medians over time of their latency from the vantage point.
        """
        anchors = read_anchors(self.dataset.path())
        require_nodes(server_count, len(anchors), "the RIPE Atlas network")
        vantage = rng.integers(len(LATENCY_COLUMNS))
        servers = rng.permutation(len(anchors))[:server_count]
        return NetworkDraw(anchors.vantage_rtt_s[servers, vantage], tuple(anchors.names[j] for j in servers))


@dataclass(frozen=True)
class RipeSynthetic:
    """Synthetic times of the published code.

    RTT(i, j) = 0.3 (median_i + median_j) + 0.01 ms per km of great circle. The orchestrator is a random anchor, or
    `central`: the one with the smallest median, as in the published code.

    Servers are numbered in a random order, or `nearest_first`, as in the published code: it draws from the anchors in
    ascending order of their medians, and sorts the drawn ones by distance. That is not the default, because schemes
    that break ties by number would prefer near servers.
    """

    dataset: NetworkFile
    orchestrator: str = "random"
    numbering: str = "random"

    def __post_init__(self) -> None:
        require_orchestrator(self.orchestrator)
        require_one_of(NUMBERINGS, numbering=self.numbering)
        possible = self.numbering == "random" or self.orchestrator == "central"
        require(possible, "numbering", self.numbering, "needs the published orchestrator; use orchestrator=central")

    def draw(self, server_count: int, rng: np.random.Generator) -> NetworkDraw:
        """Draw J anchors without replacement from all except the orchestrator."""
        path = self.dataset.path()
        anchors = read_anchors(path)
        require_nodes(server_count, len(anchors) - 1, "the RIPE Atlas network")
        if self.numbering == "nearest_first":
            return _nearest_first(synthetic_rtt_s(path), anchors, server_count, rng)
        centre = int(anchors.pooled_rtt_s.argmin()) if self.orchestrator == "central" else None
        return draw_nodes(synthetic_rtt_s(path), anchors.names, centre, server_count, rng)


def _nearest_first(
    rtt_s: NDArray[np.float64], anchors: Anchors, server_count: int, rng: np.random.Generator
) -> NetworkDraw:
    """Draw servers around the anchor with the smallest median, numbered by distance from it."""
    centre, *others = np.argsort(anchors.pooled_rtt_s, kind="stable")
    servers = np.array(others)[rng.permutation(len(others))[:server_count]]
    servers = servers[np.argsort(rtt_s[centre, servers], kind="stable")]
    return around(rtt_s, anchors.names, centre, servers)


@cache
def synthetic_rtt_s(path: Path) -> NDArray[np.float64]:
    """Return (n, n) times between the anchors of a file.

    They are zero on the diagonal.
    """
    anchors = read_anchors(path)
    latitude, longitude = anchors.position_deg.T
    distance_km = great_circle_km(latitude[:, None], longitude[:, None], latitude, longitude)
    rtt_s = MEDIAN_SHARE * np.add.outer(anchors.pooled_rtt_s, anchors.pooled_rtt_s)
    rtt_s += DISTANCE_MS_PER_KM * 1e-3 * distance_km
    np.fill_diagonal(rtt_s, 0.0)
    return rtt_s


@cache
def read_anchors(path: Path) -> Anchors:
    """Read the anchors of a file in order of first appearance.

    A process reads a file once. Raises `InputError` with the number of a line that is not as described above.
    """
    rows: dict[str, list[list[float]]] = {}
    for anchor, values in _rows(path):
        rows.setdefault(anchor, []).append(values)
    if not rows:
        raise InputError(f"{path.name} has no measurements; get the file again")
    require_size(len(rows), path.name)
    anchors = [np.array(values) for values in rows.values()]
    vantages = len(LATENCY_COLUMNS)
    return Anchors(
        names=tuple(f"anchor {anchor}" for anchor in rows),
        vantage_rtt_s=np.array([np.median(anchor[:, :vantages], axis=0) for anchor in anchors]) / 1e3,
        pooled_rtt_s=np.array([np.median(anchor[:, :vantages]) for anchor in anchors]) / 1e3,
        position_deg=np.array([anchor[0, vantages:] for anchor in anchors]),
    )


def _rows(path: Path) -> Iterator[tuple[str, list[float]]]:
    """Yield each measurement's anchor and numbers.

    The numbers are four latencies in ms, a latitude and a longitude.
    """
    reader = csv.DictReader(StringIO(read_text(path), newline=""), strict=True)
    try:
        _require_columns(path.name, reader.fieldnames or ())
        for row in reader:
            yield row["anchor_id"], _numbers(row, f"{path.name}, line {reader.line_num}")
    except csv.Error as error:
        raise InputError(f"{path.name}, line {reader.line_num}: {error}; get the file again") from error


def _require_columns(file: str, present: Sequence[str]) -> None:
    needed = ("anchor_id", *LATENCY_COLUMNS, *POSITION_COLUMNS)
    missing = sorted(set(needed) - set(present))
    if missing:
        names = ", ".join(missing)
        raise InputError(f"{file} has no column {names}; its first line must have the names of all columns")
    repeated = [name for name in needed if present.count(name) > 1]
    if repeated:
        raise InputError(f"{file} has more than one column {repeated[0]}; rename all but one")


def _numbers(row: dict[str, str], location: str) -> list[float]:
    if None in row or None in row.values():
        raise InputError(f"{location}: must have as many fields as the first line; correct or remove the line")
    return [_number(location, column, row[column]) for column in LARGEST]


def _number(location: str, column: str, text: str) -> float:
    """Return a latency or a coordinate; raise `InputError` if it is none."""
    try:
        value = float(text)
    except ValueError:
        value = nan
    least = 0 if column in LATENCY_COLUMNS else -LARGEST[column]
    sound = -LARGEST[column] <= value <= LARGEST[column] and (value > 0 or column in POSITION_COLUMNS)
    remedy = f"must be a number between {least} and {LARGEST[column]:,g}; correct or remove the line"
    require(sound, f"{location}: {column}", text, remedy)
    return value
