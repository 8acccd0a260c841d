"""Outcome of a point for a number of draws and replications."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from store.disk.parts import Part, missing_parts
from store.disk.store import Store

COMPLETE = ("ok", "infeasible", "unstable")
NOTHING_VARIES = "nothing varies between draws"


class Outcome(NamedTuple):
    """Status of a point, the reason if it is not `ok`, and the seconds of work behind it.

    Where `varies` is False, nothing varies between draws: the point has one value and no interval.
    """

    status: str  # ok, infeasible, unstable; or, while parts are missing: skipped, failed, missing
    reason: str
    duration_s: float
    varies: bool = True

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
    varies = all(record.get("varies_with") != "nothing" for record in records)
    if not refused:
        return Outcome("ok", "", duration_s, varies)
    status, reason = refused[min(refused)]
    share = f"{len(refused)} of {draws} draws, the first" if varies else NOTHING_VARIES
    return Outcome(status, f"{share}: {reason}", duration_s, varies)


def _refused(records: list[dict[str, Any]], draws: int) -> dict[int, tuple[str, str]]:
    """Return the status and the reason of each refused draw below `draws`."""
    refusals = [refusal for record in records for refusal in record["refusals"]]
    return {draw: (status, reason) for draw, status, reason in refusals if draw < draws}
