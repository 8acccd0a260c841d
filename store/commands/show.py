"""All that a store knows of one point."""

from collections.abc import Mapping, Sequence
from textwrap import indent, wrap
from typing import Any

import pandas as pd
import yaml

from store.commands.card import means
from store.disk.identity import differing, identity_of
from store.disk.outcome import outcome_of
from store.disk.store import Store
from store.tables.reading import made
from store.tables.text import aligned
from system.checks import require

WIDTH = 116
LONGEST_LIST = 8  # of points to choose from
Record = Mapping[str, Any]


def find_point(store: Store, prefix: str) -> str:
    """The point whose name begins so; raises `InputError` if there is none or more than one."""
    found = [point for point in store.points() if point.startswith(prefix)]
    require(bool(found), "point", prefix, f"no point in {store.folder} begins so; `collect` names those of experiments")
    listed = ", ".join(found[:LONGEST_LIST]) + (", ..." if len(found) > LONGEST_LIST else "")
    require(len(found) == 1, "point", prefix, f"{len(found)} points begin so, give more digits: {listed}")
    return found[0]


def point_details(store: Store, point: str) -> str:
    """Status, where it appears, configuration, code, parts, the last attempt if it came to nothing, and the means.

    All as far as the draws and replications that experiments ask for, or else as far as they are there.
    """
    parts = store.parts([point])[point]
    committed, note = store.records(point, parts), store.unfinished(point)
    records = [*committed, *([note] if note else [])]
    require(bool(records), "point", point, "its parts were damaged and are set aside; run its sweep again")
    swept = _appearances(store, point)
    size = _size(list(swept.values()), records)
    found = outcome_of(store, point, parts, *size)
    rows = store.rows({point: parts}, *size) if found.status == "ok" else pd.DataFrame()
    sections = {
        f"point {point}": [f"{found.status} at draws={size[0]} replications={size[1]}", *filter(None, [found.reason])],
        "experiments": _places(swept, point),
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
    """The sweeps that have the point, by experiment."""
    sweeps = {name: store.experiment(name) for name in store.experiment_names()}
    return {name: sweep for name, sweep in sweeps.items() if any(each["point"] == point for each in sweep["points"])}


def _places(swept: Mapping[str, dict[str, Any]], point: str) -> list[str]:
    """A line for each time that a sweep has the point: the experiment and the value of every axis."""
    return [
        f"{name}: " + " ".join(f"{axis}={entry['axes'][axis]}" for axis in sweep["axes"])
        for name, sweep in swept.items()
        for entry in sweep["points"]
        if entry["point"] == point
    ]


def _size(sweeps: Sequence[Record], records: Sequence[Record]) -> tuple[int, int]:
    """The most draws and replications that a sweep asked for, or, in no sweep, that were computed or tried."""
    asked = [(sweep["draws"], sweep["replications"]) for sweep in sweeps]
    asked = asked or [(record["part"][1], record["part"][3]) for record in records]
    draws, replications = zip(*asked, strict=True)
    return max(draws), max(replications)


class _Dumper(yaml.SafeDumper):
    """Lists on one line, such as quantiles."""


_Dumper.add_representer(list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, True))


def _yaml(configuration: Any) -> list[str]:
    return str(yaml.dump(configuration, Dumper=_Dumper, width=WIDTH, sort_keys=False)).splitlines()


def _code(record: Record) -> list[str]:
    """The modules behind the point, and which of them are others here and now."""
    now = identity_of(record["configuration"]).modules
    changed = differing(record["modules"], now)
    told = f"these differ here now: {', '.join(changed)}" if changed else "the same here now"
    return [f"{len(record['modules'])} modules, {told}", *wrap(", ".join(sorted(record["modules"])), WIDTH)]


def _part(record: Record) -> dict[str, Any]:
    """Where a part comes from, its draws and replications as people write them."""
    part = made(record)._asdict()
    spans = {name: f"{part[name].start}..{part[name].stop - 1}" for name in ("draws", "replications")}
    return {name: value for name, value in (part | spans).items() if name != "point"}


def _packages(record: Record) -> str:
    packages = record["provenance"]["packages"]
    return ", ".join(f"{name} {version}" for name, version in packages.items() if version)


def _attempt(note: Record) -> list[str]:
    machine = note["provenance"]["machine"]["name"]
    begun = f"{note['status']}, begun {note['started']} on {machine}, ended after {note['duration_s']:.3g} s"
    return [begun, *note["traceback"].splitlines()]
