"""Work on points: what a worker is handed, and how it is done and committed."""

import json
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from store.provenance import provenance
from store.store import Part, Store, StoreError
from system.errors import DataUnavailableError, NotApplicableError, input_error_behind


class WorkItem(NamedTuple):
    """A point and the parts of it that are to be computed."""

    point: str
    case: dict[str, Any]  # resolved configuration
    parts: list[Part]


class Outcome(Protocol):
    """Rows (draw, replication, metric, at, value), and refusals with the attributes `draw`, `status` and `reason`."""

    @property
    def rows(self) -> Sequence[Sequence[Any]]: ...

    @property
    def refusals(self) -> Sequence[Any]: ...


# Evaluates a case for some draws and replications.
Evaluate = Callable[[dict[str, Any], range, range], Outcome]


def write_batch(path: Path, work: Sequence[WorkItem]) -> Path:
    """Write work to a file for a worker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    items = [{"point": item.point, "case": item.case, "parts": [_bounds(part) for part in item.parts]} for item in work]
    path.write_text(json.dumps(items))
    return path


def read_batch(path: Path) -> Iterator[WorkItem]:
    """The work in such a file."""
    for item in json.loads(path.read_text()):
        parts = [Part(range(*bounds[:2]), range(*bounds[2:])) for bounds in item["parts"]]
        yield WorkItem(item["point"], item["case"], parts)


def do_batch(store: Store, path: Path, evaluate: Evaluate) -> None:
    """All the work in a file. Where a point fails, which the store notes, the others go on; without a store none do."""
    for item in read_batch(path):
        try:
            do_work(store, item, evaluate)
        except StoreError:
            raise
        except Exception:
            continue


def do_work(store: Store, item: WorkItem, evaluate: Evaluate) -> None:
    """Compute and commit each part; what cannot be computed is noted with its reason, never as a result, and raised."""
    for part in item.parts:
        started, begin = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        record: dict[str, Any] = {"configuration": item.case, "part": _bounds(part)}
        record |= {"started": started, "provenance": provenance()}
        try:
            outcome = evaluate(item.case, part.draws, part.replications)
        except Exception as error:
            record |= {"duration_s": time.perf_counter() - begin} | _failure(error)
            store.leave_unfinished(item.point, record)
            raise
        refusals = [(refusal.draw, refusal.status, refusal.reason) for refusal in outcome.refusals]
        record |= {"duration_s": time.perf_counter() - begin, "refusals": refusals}
        store.commit(item.point, part, outcome.rows, record)


def _bounds(part: Part) -> tuple[int, int, int, int]:
    return part.draws.start, part.draws.stop, part.replications.start, part.replications.stop


def _failure(error: Exception) -> dict[str, Any]:
    cause = input_error_behind(error)
    status = "skipped" if isinstance(cause, (DataUnavailableError, NotApplicableError)) else "failed"
    text = "".join(traceback.format_exception(error))
    return {"status": status, "reason": str(cause or f"{type(error).__name__}: {error}"), "traceback": text}
