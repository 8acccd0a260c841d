"""Outcome of a point for a number of draws and replications."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from store.disk.store import Part, Store, missing_parts

COMPLETE = ("ok", "infeasible", "unstable")


class Outcome(NamedTuple):
    """Status of a point, the reason if it is not `ok`, and the seconds of work behind it."""

    status: str  # ok, infeasible, unstable; or, while parts are missing: skipped, failed, missing
    reason: str
    duration_s: float

    @property
    def is_complete(self) -> bool:
        """Return whether every draw and replication has rows or a refusal."""
        return self.status in COMPLETE


def outcome_of(store: Store, point: str, parts: Sequence[Part], draws: int, replications: int) -> Outcome:
    """Return the outcome of a point with these committed parts."""
    records = store.records(point, parts)
    duration_s = sum(record["duration_s"] for record in records)
    if missing_parts(parts, draws, replications):
        attempt = store.unfinished(point) or {"status": "missing", "reason": "not computed yet", "duration_s": 0.0}
        return Outcome(attempt["status"], attempt["reason"], duration_s + attempt["duration_s"])
    refused = _refused(records, draws)
    if not refused:
        return Outcome("ok", "", duration_s)
    status, reason = refused[min(refused)]
    return Outcome(status, f"{len(refused)} of {draws} draws, the first: {reason}", duration_s)


def _refused(records: list[dict[str, Any]], draws: int) -> dict[int, tuple[str, str]]:
    """Return the status and the reason of each refused draw below `draws`."""
    refusals = [refusal for record in records for refusal in record["refusals"]]
    return {draw: (status, reason) for draw, status, reason in refusals if draw < draws}
