"""Results of points on disk, and functions that read and compare them from Python."""

from store.tables.compare import compare_commits, compare_stores, compare_values
from store.tables.filtered import collect
from store.tables.pairs import Measure
from store.tables.reading import load, load_points, load_provenance

__all__ = [
    "Measure",
    "collect",
    "compare_commits",
    "compare_stores",
    "compare_values",
    "load",
    "load_points",
    "load_provenance",
]
