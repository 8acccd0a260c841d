"""Versions of the code that computed points: a commit, or a commit with a hash of what differed from it."""

from collections.abc import Mapping
from typing import Any

from store.disk.provenance import DIGITS, full_commit
from system.checks import require
from system.words import counted

Records = Mapping[str, list[dict[str, Any]]]  # the records of each point's parts


def computed_by(revision: str, records: Records) -> Records:
    """Return the points that the code of a revision computed.

    `revision` is any revision of git, or a version as it was recorded. Raises `InputError` if it computed none of the
    points, or if several versions of it did.
    """
    require(bool(revision.strip()), "with_commit", ascii(revision), "must be a revision of git, such as HEAD")
    versions = _versions(records)
    known = ", ".join(versions) or "none"
    commit = full_commit(revision)[:DIGITS]
    same = [name for name in versions if name.startswith(revision) or (commit and name.partition("+")[0] == commit)]
    matches = [revision] if revision in versions else same
    name = revision if commit in ("", revision[:DIGITS]) else f"{revision} ({commit})"
    require(bool(matches), "with_commit", name, f"computed no such point; the commits that did are {known}")
    listed = ", ".join(f"{version} ({_described(versions[version])})" for version in matches)
    require(len(matches) == 1, "with_commit", name, f"has several versions; name one of them: {listed}")
    return {point: records[point] for point in versions[matches[0]]}


def _versions(records: Records) -> dict[str, dict[str, str]]:
    """Return each version's points, the earliest version first.

    A point comes with the time at which its last part was started.
    """
    parts = sorted((record["started"], point, record) for point, of_point in records.items() for record in of_point)
    versions: dict[str, dict[str, str]] = {}
    for started, point, record in parts:
        versions.setdefault(str(record["provenance"]["commit"]), {})[point] = started
    return versions


def _described(points: Mapping[str, str]) -> str:
    return f"{counted(len(points), 'point')}, {max(points.values())[:16].replace('T', ' ')}"
