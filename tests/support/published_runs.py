"""Recorded runs of the authors' own simulator, which tests compare with."""

import csv
import os
from pathlib import Path
from typing import NamedTuple

import pytest


class RecordedRun(NamedTuple):
    """A run of the authors' own simulator, as recorded; a mean is infinite if the scheme is infeasible."""

    servers: int
    fast_share: float
    run: int
    seed: int
    proposed_s: float
    petals_s: float
    bprr_s: float
    proposed_c: int
    proposed_chains: int  # K
    bprr_sessions: int  # R


def recorded_file(name: str) -> Path:
    """Return a file of recorded data, or skip the test.

    It must be in the folder that CHAIN_DATA names.
    """
    path = Path(os.environ.get("CHAIN_DATA", "/dev/null")) / name
    if not path.is_file():
        pytest.skip(f"needs {name} in the folder that CHAIN_DATA names")
    return path


def anchors_file() -> Path:
    """Return the file of RIPE Atlas anchors, or skip the test."""
    return recorded_file("LearningDataset_RTT_RipeAtlasEU.csv")


def recorded_runs() -> list[RecordedRun]:
    """Return two recorded runs of each of the 16 cells, or skip the test."""
    with recorded_file("published_simulator_runs.csv").open() as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    kinds = list(RecordedRun.__annotations__.values())
    return [RecordedRun(*(kind(value) for kind, value in zip(kinds, row, strict=True))) for row in rows]
