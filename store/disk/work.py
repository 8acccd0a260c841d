"""Work on points: what a worker is handed, and how it is done and committed."""

import json
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from store.disk.files import StoreError
from store.disk.identity import identity_of
from store.disk.locks import locked
from store.disk.provenance import current_provenance
from store.disk.store import Part, Store
from system.errors import DataUnavailableError, InputError, NotApplicableError, input_error_behind


class CodeChangedError(InputError):
    """The code is not that for which the work was planned: rows would stand under the name of another version."""


class WorkItem(NamedTuple):
    """A point and the parts of it that are to be computed."""

    point: str
    case: dict[str, Any]  # resolved configuration
    parts: list[Part]


class Evaluation(Protocol):
    """Rows (draw, replication, metric, at, value), and refusals with the attributes `draw`, `status` and `reason`.

    `simulated` says whether any row follows from simulated jobs: on another platform these may differ a little.
    """

    @property
    def rows(self) -> Sequence[Sequence[Any]]: ...

    @property
    def refusals(self) -> Sequence[Any]: ...

    @property
    def simulated(self) -> bool: ...


# Evaluates a case for some draws and replications.
Evaluate = Callable[[dict[str, Any], range, range], Evaluation]


def write_work(path: Path, work: Sequence[WorkItem]) -> Path:
    """Write work to a file for the workers, an item a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    items = ({"point": item.point, "case": item.case, "parts": [_bounds(part) for part in item.parts]} for item in work)
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def do_shared_work(store: Store, path: Path, first: int, evaluate: Evaluate) -> None:
    """From item `first` of the work on and around to it: all that no other worker has done or is at.

    So workers that start in different places share the work evenly, and one that dies or comes late costs nothing but
    time. Where a point fails, which the store notes, the others go on; without a store none do. A worker ends when the
    file is gone: whoever started the sweep has stopped it.
    """
    for line in _from_its_place(path, first):
        if not path.is_file():
            return
        item = _item(line)
        with locked(store.folder, item.point) as is_ours:
            if is_ours:
                _try_work(store, item, evaluate)


def _from_its_place(path: Path, first: int) -> list[str]:
    """The lines of a file from one of them on, those before it last."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:  # stopped before this worker came
        return []
    return lines[first:] + lines[:first]


def _item(line: str) -> WorkItem:
    item = json.loads(line)
    parts = [Part(range(*bounds[:2]), range(*bounds[2:])) for bounds in item["parts"]]
    return WorkItem(item["point"], item["case"], parts)


def _try_work(store: Store, item: WorkItem, evaluate: Evaluate) -> None:
    try:
        do_work(store, item, evaluate)
    except (StoreError, CodeChangedError):
        raise
    except Exception:
        return  # the store has it


def do_work(store: Store, item: WorkItem, evaluate: Evaluate) -> None:
    """Compute and commit each part that is not there. What fails is noted, never as a result, and raised.

    Raises `CodeChangedError`, and notes nothing, if the code is no longer that of the point.
    """
    code = _code_of(item)
    for part in item.parts:
        if store.has(item.point, part):
            continue
        started, begin = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        record: dict[str, Any] = {"configuration": item.case, "part": _bounds(part), **code}
        record |= {"started": started, "provenance": current_provenance()}
        try:
            outcome = evaluate(item.case, part.draws, part.replications)
        except Exception as error:
            record |= {"duration_s": time.perf_counter() - begin} | _failure(error)
            store.leave_unfinished(item.point, record)
            raise
        refusals = [(refusal.draw, refusal.status, refusal.reason) for refusal in outcome.refusals]
        record |= {"duration_s": time.perf_counter() - begin, "refusals": refusals, "simulated": outcome.simulated}
        store.commit(item.point, part, outcome.rows, record)


def _code_of(item: WorkItem) -> dict[str, Any]:
    """What a record says of the code that made it."""
    identity = identity_of(item.case)
    if identity.point != item.point:
        raise CodeChangedError("code: it was changed after the sweep was started; start the sweep again")
    return {"configuration_hash": identity.configuration, "modules": identity.modules}


def _bounds(part: Part) -> tuple[int, int, int, int]:
    return part.draws.start, part.draws.stop, part.replications.start, part.replications.stop


def _failure(error: Exception) -> dict[str, Any]:
    cause = input_error_behind(error)
    status = "skipped" if isinstance(cause, (DataUnavailableError, NotApplicableError)) else "failed"
    text = "".join(traceback.format_exception(error))
    return {"status": status, "reason": str(cause or f"{type(error).__name__}: {error}"), "traceback": text}
