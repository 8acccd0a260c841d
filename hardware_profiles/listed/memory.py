"""Sizes of memory in the units that people write: GB, GiB and MiB."""

from collections.abc import Iterable

from system.checks import require
from system.documents.entries import Entry

GIB_GB = 2**30 / 1e9  # "24 GB" of a card are 24 GiB
UNITS_GB = {"gb": 1.0, "gib": GIB_GB, "mib": GIB_GB / 1024}
NAMES = {"gb": "GB", "gib": "GiB", "mib": "MiB"}
MEMORY_KEYS = tuple(f"memory_{unit}" for unit in UNITS_GB)
FREE_KEYS = tuple(f"free_memory_{unit}" for unit in UNITS_GB)


def size_gb(entry: Entry, keys: Iterable[str]) -> float | None:
    """Return a size of memory in GB, or None if no key gives it.

    Raises `InputError` if two keys give it.
    """
    given = [key for key in keys if key in entry]
    require(len(given) <= 1, entry.where(" and ".join(given)), "given", "give one of them")
    if not given:
        return None
    unit = given[0].rsplit("_", 1)[1]
    size = entry.positive(given[0], f"the memory of its GPU in {NAMES[unit]}, or its name as gpu")
    return size if unit == "gb" else size * UNITS_GB[unit]


def largest_gb(entry: Entry, memory_gb: float) -> float:
    """Return the most memory that a GPU's size stands for.

    A size in GB is a data sheet's, which counts in GiB.
    """
    exact = any(key in entry for key in MEMORY_KEYS[1:])
    return memory_gb if exact else memory_gb * GIB_GB
