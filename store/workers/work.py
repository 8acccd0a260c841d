"""Work on points: items of work, and how workers share, compute and commit them."""

import json
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from store.disk.files import Files, StoreError
from store.disk.identity import identity_of
from store.disk.parts import Part
from store.disk.provenance import current_provenance
from store.disk.store import Store
from store.workers.life import AT_WORK, ORPHANED, watching
from store.workers.locks import locked
from system.command.sentences import sentence
from system.errors import DataUnavailableError, InputError, NotApplicableError, input_error_behind

WORK_FILE = "work.jsonl"


class CodeChangedError(InputError):
    """Error for code that changed after the work was planned.

    Its rows would be stored under the identity of another version.
    """


class WorkItem(NamedTuple):
    """A point and the parts of it to compute."""

    point: str
    case: dict[str, Any]  # resolved configuration
    parts: list[Part]


class Evaluation(Protocol):
    """Result of an evaluation."""

    @property
    def rows(self) -> Sequence[Sequence[Any]]:
        """Return rows of (draw, replication, metric, at, value)."""

    @property
    def refusals(self) -> Sequence[Any]:
        """Return refusals, with the attributes `draw`, `status` and `reason`."""

    @property
    def simulated(self) -> bool:
        """Return whether any row depends on simulated jobs.

        Such rows may differ a little on another platform.
        """

    @property
    def varies_with(self) -> str:
        """Return what makes rows differ: nothing, the draw, or the replication."""


# Evaluates a resolved case for ranges of draws and replications.
Evaluate = Callable[[dict[str, Any], range, range], Evaluation]


def write_work(path: Path, work: Sequence[WorkItem]) -> Path:
    """Write work to a file for the workers, one item on each line."""
    items = ({"point": item.point, "case": item.case, "parts": [part.bounds for part in item.parts]} for item in work)
    lines = "".join(json.dumps(item) + "\n" for item in items)
    Files(path.parent, "hydra.sweep.dir").write(path.name, lines.encode())
    return path


def do_shared_work(store: Store, path: Path, first: int, evaluate: Evaluate) -> None:
    """Process all items from `first`, wrapping around; skip items that others finished or claimed.

    Workers that start at different items share the work evenly, and one that dies or starts late costs only time. If a
    point fails, the store notes it and the worker goes on with the others; if the store cannot be written, the worker
    ends. A worker also ends when the file is gone, as the sweep has been stopped, or when the main process has ended.
    """
    with watching(path) as gone:
        for line in _lines_from(path, first):
            with AT_WORK:
                if gone.is_set() or ORPHANED.is_set() or not path.is_file():
                    return
                item = _item(line)
                with locked(store.folder, item.point) as is_ours:
                    if is_ours:
                        _try_work(store, item, evaluate)


def _lines_from(path: Path, first: int) -> list[str]:
    """Return the lines of a file from line `first`, followed by those before it."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:  # the sweep was stopped before this worker started
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
        return  # the store has noted it


def do_work(store: Store, item: WorkItem, evaluate: Evaluate) -> None:
    """Compute and commit the parts of an item that the store lacks.

    An error is noted in the store, never as a result, and raised. Raises `CodeChangedError`, and notes nothing, if the
    code is no longer that of the point.
    """
    code = _code_of(item)
    for part in item.parts:
        if store.has(item.point, part):
            continue
        started, begin = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        record: dict[str, Any] = {"configuration": item.case, **code}
        record |= {"started": started, "provenance": current_provenance()}
        try:
            outcome = evaluate(item.case, part.draws, part.replications)
        except Exception as error:
            record |= {"part": part.bounds, "duration_s": time.perf_counter() - begin} | _failure(error)
            store.leave_unfinished(item.point, record)
            raise
        refusals = [(refusal.draw, refusal.status, refusal.reason) for refusal in outcome.refusals]
        record |= {"duration_s": time.perf_counter() - begin, "refusals": refusals}
        record |= {"simulated": outcome.simulated, "varies_with": outcome.varies_with}
        store.commit(item.point, part, outcome.rows, record)


def _code_of(item: WorkItem) -> dict[str, Any]:
    """Return the fields of a record about the code."""
    identity = identity_of(item.case)
    if identity.point != item.point:
        raise CodeChangedError("code: it changed after the sweep was started; start the sweep again")
    return {"configuration_hash": identity.configuration, "modules": identity.modules}


def _failure(error: Exception) -> dict[str, Any]:
    cause = input_error_behind(error)
    status = "skipped" if isinstance(cause, (DataUnavailableError, NotApplicableError)) else "failed"
    text = "".join(traceback.format_exception(error))
    return {"status": status, "reason": sentence(error), "traceback": text}
