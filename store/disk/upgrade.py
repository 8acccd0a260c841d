"""Upgrade of a store of format 2, which kept only the last sweep of an experiment: it becomes the first of its sweeps.

That sweep has no command, and no settings of its points, so the view knows their values of its own axes only.
"""

from datetime import UTC, datetime
from typing import Any

from store.disk import shapes
from store.disk.files import Files
from store.disk.identity import configuration_of, targets_of
from store.disk.sweeps import FOLDER, add_sweep


def move_sweeps(files: Files) -> None:
    """Make each experiment's record the first of its sweeps."""
    for name in files.names(FOLDER, ".json"):
        path = files.folder / name
        started = datetime.fromtimestamp(path.lstat().st_mtime, UTC).isoformat()
        sweep = files.read_json(name, shapes.sweep)
        if sweep is not None:
            add_sweep(files, path.stem, {**sweep, "started": started} | _points(files, sweep["points"]))
            files.remove(name)


def _points(files: Files, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of a sweep about its points.

    Their own records give the configuration and the code.
    """
    records = {entry["point"]: _record(files, entry["point"]) for entry in entries}
    known = {point: record for point, record in records.items() if record is not None}
    variants = [{"settings": {}, "targets": targets_of(record["configuration"])} for record in known.values()]
    fields = {
        point: {"configuration": configuration_of(record["configuration"]), "variant": number}
        for number, (point, record) in enumerate(known.items())
    }
    return {"variants": variants, "points": [entry | fields.get(entry["point"], {}) for entry in entries]}


def _record(files: Files, point: str) -> Any:
    """Return a record of a point, if there is any."""
    committed = [name for name in files.names("points", ".json") if name.startswith(f"points/{point}.")]
    if committed:
        return files.read_json(committed[0], shapes.RECORD)
    return files.read_json(f"unfinished/{point}.json", shapes.NOTE)
