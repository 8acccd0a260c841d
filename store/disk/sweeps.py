"""Sweeps of an experiment: a record for each command that computed points, and the view over the points of all.

A record says which command was given, and the value that each of its points has for every key that its numbers depend
on (`settings`). So the view can give a point its value of a key that only another sweep varies. A point whose
configuration other code computed as well is in the view once: as computed by the present code, else by the last sweep.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from store.disk import shapes
from store.disk.data import data_hash
from store.disk.files import Files
from store.disk.identity import code_text, point_of
from system.checks import require_name
from system.code.source import short_hash

FOLDER = "experiments"
SIZE = ("draws", "replications")
SWEEP = "sweep"  # axis that tells points apart which differ in no known key
REFERENCE = re.compile(r"\$\{([\w.@]+)\}")
Record = Mapping[str, Any]


def add_sweep(files: Files, experiment: str, sweep: Record) -> None:
    """Add a sweep's record, in place of that of its command."""
    command = short_hash(json.dumps([sweep["words"], *(sweep[name] for name in SIZE)]) if "words" in sweep else "")[:8]
    before = [name for name in sweep_names(files, experiment) if name.endswith(f"-{command}.json")]
    digits = re.sub(r"\D", "", sweep["started"])
    name = f"{FOLDER}/{experiment}/{digits}-{command}.json"
    files.write_json(name, sweep)
    for old in before:
        if old != name:
            files.remove(old)


def sweep_names(files: Files, experiment: str) -> list[str]:
    """Return the names of an experiment's records in their order."""
    require_name(experiment=experiment)
    return files.names(f"{FOLDER}/{experiment}", ".json")


def read_sweeps(files: Files, experiment: str) -> list[Record]:
    """Return the records of an experiment's sweeps in their order."""
    stamps = [(name, (files.folder / name).lstat().st_mtime_ns) for name in sweep_names(files, experiment)]
    return [sweep for sweep in (_read(files, *stamp) for stamp in stamps) if sweep is not None]


@lru_cache(maxsize=256)
def _read(files: Files, name: str, modified_ns: int) -> Record | None:
    record: Record | None = files.read_json(name, shapes.sweep)
    return record


class Entry(NamedTuple):
    """A point of a sweep."""

    point: str
    sweep: int  # number of the last sweep that has the point
    axes: Mapping[str, str | None]  # its values of the axes of its sweep
    settings: Mapping[str, str]  # its values of all other keys, or references to other keys
    size: tuple[int, int]  # draws and replications
    is_declared: bool
    is_current: bool
    configuration: str
    changed_data: tuple[str, ...]  # files with other content now

    def value(self, key: str) -> str | None:
        """Return the value of a key, None without one."""
        if key == SWEEP:
            return str(self.sweep)
        for _ in range(len(self.axes) + len(self.settings) + 1):  # a chain of references is no longer than this
            text = self.axes[key] if key in self.axes else self.settings.get(key)
            match = REFERENCE.fullmatch(text or "")
            if not match:
                return text
            key = match[1]
        return None


def view_of(sweeps: Sequence[Record]) -> dict[str, Any]:
    """Return the points of all sweeps as one record.

    Each point is there once. The axes are those of all sweeps, and the keys in which points differ besides, so no two
    points agree in all axes. `draws` and `replications` are the most of any point; each entry has its own. `is_current`
    of an entry says whether the present code and data would give its configuration the same identity.
    """
    entries = _newest(_distinct(_entries(sweeps)))
    axes = list(dict.fromkeys(axis for sweep in sweeps for axis in sweep["axes"]))
    if len(sweeps) > 1:
        axes += _varied(sweeps, entries, axes)
    axes += _separating(entries, axes)
    sizes = [entry.size for entry in entries] or [(sweep["draws"], sweep["replications"]) for sweep in sweeps]
    targets = [sweep.get("precision") for sweep in sweeps]
    labels: dict[str, dict[str, str]] = {}
    for sweep in sweeps:
        for axis, words in sweep.get("labels", {}).items():
            labels[axis] = labels.get(axis, {}) | words
    return {
        "fixed": [text for text in sweeps[0]["fixed"] if all(text in sweep["fixed"] for sweep in sweeps)],
        "axes": axes,
        "draws": max(draws for draws, _ in sizes),
        "replications": max(replications for _, replications in sizes),
        "declared_count": sweeps[-1].get("declared_count", 0),
        "precision": targets[0] if all(target == targets[0] for target in targets) else None,
        "labels": labels,
        "points": _merged(entries, axes),
    }


def _entries(sweeps: Sequence[Record]) -> Iterator[Entry]:
    """Yield the points of all sweeps in their order."""
    last = {entry["point"]: number for number, sweep in enumerate(sweeps, 1) for entry in sweep["points"]}
    for sweep in sweeps:
        variants = sweep.get("variants", [])
        codes = [code_text(variant["targets"]) for variant in variants]
        data = [_changed_data(variant.get("data", {})) for variant in variants]
        left_out = dict.fromkeys(sweep["axes"])
        for entry in sweep["points"]:
            point, number = entry["point"], entry.get("variant")
            configuration = entry.get("configuration", point)
            yield Entry(
                point,
                last[point],
                left_out | entry["axes"],
                {} if number is None else variants[number]["settings"],
                (entry.get("draws", sweep["draws"]), entry.get("replications", sweep["replications"])),
                entry.get("is_declared", not sweep["fixed"]),
                number is None or (not data[number] and point_of(configuration, codes[number]) == point),
                configuration,
                () if number is None else data[number],
            )


def _changed_data(hashes: Mapping[str, str]) -> tuple[str, ...]:
    """Return the data files that have another hash now."""
    return tuple(name for name, before in hashes.items() if data_hash(name) != before)


def _distinct(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries without repetitions in later sweeps.

    An entry has the largest size of all that are alike.
    """
    distinct: dict[tuple[Any, ...], Entry] = {}
    for entry in entries:
        key = (entry.point, *entry.axes.items())
        other = distinct.get(key, entry)
        distinct[key] = entry._replace(
            settings=entry.settings or other.settings,
            size=(max(entry.size[0], other.size[0]), max(entry.size[1], other.size[1])),
            is_declared=entry.is_declared or other.is_declared,
            is_current=entry.is_current or other.is_current,
        )
    return list(distinct.values())


def _newest(entries: list[Entry]) -> list[Entry]:
    """Return one point of each configuration, with all its entries.

    It is the point of the present code, or else that of the last sweep.
    """
    newest: dict[str, Entry] = {}
    for entry in entries:
        if entry.configuration not in newest or not newest[entry.configuration].is_current:
            newest[entry.configuration] = entry
    return [entry for entry in entries if newest[entry.configuration].point == entry.point]


def _varied(sweeps: Sequence[Record], entries: Sequence[Entry], axes: Sequence[str]) -> list[str]:
    """Return further keys in which the sweeps differ.

    They are keys that a command fixed, and keys whose value does not follow from the choices of config groups.
    """
    fixed = dict.fromkeys(_key(text) for sweep in sweeps for text in sweep["fixed"])
    others = [key for key in fixed if key not in axes and not key.startswith("experiment.")]
    varied = [key for key in others if len({entry.value(key) for entry in entries}) > 1]
    tables = list({frozenset(entry.settings.items()): entry.settings for entry in entries if entry.settings}.values())
    keys = dict.fromkeys(key for table in tables for key in table)
    parents = {key[:dot] for key in keys for dot, letter in enumerate(key) if letter == "."}
    for key in keys:
        groups = [axis for axis in (*axes, *varied) if axis in parents]
        if key not in (*axes, *varied) and not _follows(key, groups, tables):
            varied.append(key)
    return varied


def _follows(key: str, groups: Sequence[str], tables: Sequence[Mapping[str, str]]) -> bool:
    """Return whether config groups determine the value of a key.

    A reference to another key does, as that key is considered by itself.
    """
    literal = [table for table in tables if not REFERENCE.fullmatch(table.get(key, ""))]
    choices = [tuple(map(table.get, groups)) for table in literal]
    values = {(chosen, table.get(key)) for chosen, table in zip(choices, literal, strict=True)}
    return len(values) == len(set(choices))


def _separating(entries: Sequence[Entry], axes: Sequence[str]) -> list[str]:
    """Return keys that tell points apart which the axes do not.

    They are the first keys in which two such points differ, or the sweep.
    """
    added: list[str] = []
    while SWEEP not in added and (pair := _alike(entries, [*axes, *added])):
        keys = sorted({*pair[0].settings, *pair[1].settings, *pair[0].axes, *pair[1].axes})
        differing = [key for key in keys if pair[0].value(key) != pair[1].value(key)]
        added.append(differing[0] if differing else SWEEP)
    return added


def _alike(entries: Sequence[Entry], axes: Sequence[str]) -> tuple[Entry, Entry] | None:
    """Return two points with equal values of all axes."""
    seen: dict[tuple[Any, ...], Entry] = {}
    for entry in entries:
        other = seen.setdefault(tuple(_number_or_text(entry.value(axis)) for axis in axes), entry)
        if other.point != entry.point:
            return other, entry
    return None


def _merged(entries: Sequence[Entry], axes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entries of a view.

    There is one for each point, and more where a point has several values of an axis.
    """
    merged: dict[str, list[dict[str, str]]] = {}
    of_point: dict[str, list[Entry]] = {}
    for entry in entries:
        values = {axis: value for axis in axes if (value := entry.value(axis)) is not None}
        others = merged.setdefault(entry.point, [])
        same = next((other for other in others if _agree(other, values)), None)
        others.append(values) if same is None else same.update(values | same)
        of_point.setdefault(entry.point, []).append(entry)
    return [
        {"point": point, "axes": values} | _described(of_point[point]) for point in merged for values in merged[point]
    ]


def _described(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the fields of a view's entry besides its axes."""
    draws, replications = map(max, zip(*(entry.size for entry in entries), strict=True))
    return {
        "draws": draws,
        "replications": replications,
        "is_declared": any(entry.is_declared for entry in entries),
        "is_current": any(entry.is_current for entry in entries),
        "changed_data": sorted({name for entry in entries for name in entry.changed_data}),
    }


def _agree(axes: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Return whether the axes in both have equal values."""
    return all(_number_or_text(axes[axis]) == _number_or_text(others[axis]) for axis in axes.keys() & others.keys())


def _number_or_text(value: str | None) -> float | str | None:
    """Return a value such that 0.1 and 0.10 are equal."""
    try:
        return value if value is None else float(value)
    except ValueError:
        return value


def _key(override: str) -> str:
    """Return the key of an override such as `network=european`."""
    return override.lstrip("+~").partition("=")[0]
