"""What became of a point, as far as the draws and replications that are asked for."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from store.disk.store import Part, Store, missing_parts

COMPLETE = ("ok", "infeasible", "unstable")


class Outcome(NamedTuple):
    """Status, why it is not `ok`, and the seconds of work behind it."""

    status: str  # ok, infeasible, unstable; or, with something missing: skipped, failed, missing
    reason: str
    duration_s: float

    @property
    def is_complete(self) -> bool:
        """Whether every draw and replication is there, if only as a refusal."""
        return self.status in COMPLETE


def outcome_of(store: Store, point: str, parts: Sequence[Part], draws: int, replications: int) -> Outcome:
    """The outcome of a point of which `parts` are committed."""
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
    """Status and reason of each draw, below `draws`, that has no measurements."""
    refusals = [refusal for record in records for refusal in record["refusals"]]
    return {draw: (status, reason) for draw, status, reason in refusals if draw < draws}
