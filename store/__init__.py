"""Results of points on disk, and functions that read and compare them from Python."""

from store.comparisons.compare import compare_commits, compare_stores, compare_values
from store.tables.filtered import collect
from store.tables.means import means_table
from store.tables.reading import Measure, load, load_points, load_provenance
from store.tables.statistics import by_draw, complete_means, intervals_over_draws

__all__ = [
    "Measure",
    "by_draw",
    "collect",
    "compare_commits",
    "compare_stores",
    "compare_values",
    "complete_means",
    "intervals_over_draws",
    "load",
    "load_points",
    "load_provenance",
    "means_table",
]
