"""Everything that a store knows about one point."""

from collections.abc import Mapping, Sequence
from textwrap import indent, wrap
from typing import Any

import pandas as pd
import yaml

from store.commands.card import means
from store.disk.identity import changed_modules
from store.disk.outcome import outcome_of
from store.disk.store import Store
from store.tables.reading import made, points_of, sizes_of
from store.tables.text import aligned
from system.checks import require
from system.words import counted

WIDTH = 116
LONGEST_LIST = 8  # points to choose from
Record = Mapping[str, Any]


def find_point(store: Store, prefix: str) -> str:
    """Return the only point that starts with `prefix`; else raise `InputError`."""
    matches = [point for point in store.points() if point.startswith(prefix)]
    require(
        bool(matches),
        "point",
        prefix,
        f"no point in {store.folder} starts with this; `python -m store collect` lists the points of an experiment",
    )
    listed = ", ".join(matches[:LONGEST_LIST]) + (", ..." if len(matches) > LONGEST_LIST else "")
    require(len(matches) == 1, "point", prefix, f"{len(matches)} points start with this; give more digits: {listed}")
    return matches[0]


def point_details(store: Store, point: str) -> str:
    """Return a text with everything that is known about a point.

    It shows the status, the experiments with the point, configuration, code, parts, the last attempt if that gave no
    result, and the means. It covers the draws and replications that experiments need; for a point in no experiment,
    those that are stored.
    """
    parts = store.parts([point])[point]
    committed, note = store.records(point, parts), store.unfinished(point)
    records = [*committed, *([note] if note else [])]
    require(bool(records), "point", point, "its files were damaged and were set aside; run its sweep again")
    swept = _appearances(store, point)
    size = _size(point, list(swept.values()), records)
    outcome = outcome_of(store, point, parts, *size)
    rows = store.rows({point: parts}, *size) if outcome.status == "ok" else pd.DataFrame()
    sections = {
        f"point {point}": [
            f"{outcome.status} at draws={size[0]} replications={size[1]}",
            *filter(None, [outcome.reason]),
        ],
        "experiments": _appearance_lines(swept, point),
        "configuration": _yaml(records[-1]["configuration"]),
        "code": _code(records[-1]),
        "parts": aligned(pd.DataFrame([_part(record) for record in committed])) if committed else [],
        "packages": list(dict.fromkeys(_packages(record) for record in records)),
        "last attempt": _attempt(note) if note else [],
        "means": [line.strip() for line in means(rows)] if len(rows) else [],
    }
    return (
        "\n\n".join(f"{title}\n" + indent("\n".join(lines), "  ") for title, lines in sections.items() if lines) + "\n"
    )


def _appearances(store: Store, point: str) -> dict[str, dict[str, Any]]:
    """Return the experiments that contain the point, by name."""
    names = [name for name in store.experiment_names() if any(point in points_of(s) for s in store.sweeps(name))]
    views = {name: store.experiment(name) for name in names}
    return {name: view for name, view in views.items() if point in points_of(view)}


def _appearance_lines(swept: Mapping[str, dict[str, Any]], point: str) -> list[str]:
    """Return the experiment and the values of all axes, a line for each appearance."""
    return [
        f"{name}: " + " ".join(f"{axis}={entry['axes'][axis]}" for axis in sweep["axes"] if axis in entry["axes"])
        for name, sweep in swept.items()
        for entry in sweep["points"]
        if entry["point"] == point
    ]


def _size(point: str, sweeps: Sequence[Record], records: Sequence[Record]) -> tuple[int, int]:
    """Return the most draws and replications of a point.

    They are those in these experiments; without any, those of its records.
    """
    sizes = [sizes_of(sweep)[point] for sweep in sweeps]
    sizes = sizes or [(record["part"][1], record["part"][3]) for record in records]
    draws, replications = zip(*sizes, strict=True)
    return max(draws), max(replications)


class _Dumper(yaml.SafeDumper):
    """YAML with lists, such as quantiles, on one line."""


_Dumper.add_representer(list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, True))


def _yaml(configuration: Any) -> list[str]:
    return str(yaml.dump(configuration, Dumper=_Dumper, width=WIDTH, sort_keys=False)).splitlines()


def _code(record: Record) -> list[str]:
    """Return lines with the modules behind the point and those that have changed since."""
    changed = changed_modules(record)
    state = f"changed since: {', '.join(changed)}" if changed else "unchanged since"
    return [f"{counted(len(record['modules']), 'module')}, {state}", *wrap(", ".join(sorted(record["modules"])), WIDTH)]


def _part(record: Record) -> dict[str, Any]:
    """Return the provenance of a part, its draws and replications as text."""
    part = made(record)._asdict()
    spans = {name: f"{part[name].start}..{part[name].stop - 1}" for name in ("draws", "replications")}
    return {name: value for name, value in (part | spans).items() if name != "point"}


def _packages(record: Record) -> str:
    packages = record["provenance"]["packages"]
    return ", ".join(f"{name} {version}" for name, version in packages.items() if version)


def _attempt(note: Record) -> list[str]:
    machine = note["provenance"]["machine"]["name"]
    summary = f"{note['status']}, started {note['started']} on {machine}, ended after {note['duration_s']:.3g} s"
    return [summary, *note["traceback"].splitlines()]
