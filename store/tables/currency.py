"""Points that other code computed: how many of an experiment they are, what changed since, and which they are."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from store.disk.files import StoreWarning
from store.disk.identity import changed_modules
from store.disk.store import Store
from system.words import counted, shortened

MOST_NAMED = 4  # values of an axis, or modules
Sweep = Mapping[str, Any]


def current_only(sweep: Sweep) -> dict[str, Any]:
    """Return an experiment's record with its current points only."""
    return {**sweep, "points": [entry for entry in sweep["points"] if entry.get("is_current", True)]}


def _outdated_points(store: Store, sweep: Sweep) -> dict[str, dict[str, Any]]:
    """Return a record of each point of other code."""
    outdated = [entry["point"] for entry in sweep["points"] if not entry.get("is_current", True)]
    parts = store.parts(outdated) if outdated else {}
    return {point: store.records(point, of_point[:1])[0] for point, of_point in parts.items() if of_point}


def outdated_note(store: Store, experiment: str, sweep: Sweep) -> str:
    """Return a sentence on points of other code, if any.

    It says how many points of the experiment's view they are, what changed since, and which they are.
    """
    records = _outdated_points(store, sweep)
    if not records:
        return ""
    outdated = [entry for entry in sweep["points"] if entry["point"] in records]
    changed = {module for record in records.values() for module in changed_modules(record)}
    changed |= {name for entry in outdated for name in entry["changed_data"]}
    counts = f"{len(records)} of {counted(len({entry['point'] for entry in sweep['points']}), 'point')} of {experiment}"
    verb = "was" if len(records) == 1 else "were"
    why = f" ({shortened(sorted(changed), MOST_NAMED)} changed)" if changed else ""
    return f"{counts} {verb} computed by other code or data{why}{_named(outdated, sweep)}"


def warn_of_outdated(store: Store, experiment: str, sweep: Sweep) -> None:
    """Warn if other code computed points of an experiment's view."""
    if note := outdated_note(store, experiment, sweep):
        warnings.warn(f"{note}; run their sweep again", StoreWarning, stacklevel=4)


def _named(entries: Sequence[Mapping[str, Any]], sweep: Sweep) -> str:
    """Return the values of axes that not all points have."""
    words = []
    for axis in sweep["axes"]:
        own = dict.fromkeys(str(entry["axes"].get(axis)) for entry in entries)
        if len(own) < len({str(entry["axes"].get(axis)) for entry in sweep["points"]}):
            words.append(f"{axis}={shortened(list(own), MOST_NAMED, ',')}")
    return f": {' '.join(words)}" if words else ""
