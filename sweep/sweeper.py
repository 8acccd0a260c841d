"""The sweeper: skips points that the store has and gives the others to workers, which are jobs of a Hydra launcher.

So a launcher (basic, joblib, submitit, Ray) costs its start-up once for each worker and not once for each point. All
workers read all resolved points from one file, begin at different lines of it, and take points that no other worker
has taken (`store/workers/work.py`).
"""

import itertools
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig

from store.commands.dry_run import dry_run_lines
from store.commands.status import sweep_status
from store.commands.summary import history_line, reasons, summary_line
from store.disk.parts import missing_parts
from store.disk.store import Store, data_label, store_at
from store.tables.notes import notes_on
from store.tables.precision import reached_precision
from store.tables.reading import results_of
from store.workers.life import beating
from store.workers.locks import wait_for_others
from store.workers.work import WORK_FILE, WorkItem, write_work
from sweep.errors import hydra_sentence
from sweep.expansion.available import available_sweeps
from sweep.expansion.commands import Expansion, Sweep
from sweep.expansion.remembered import remembered_sweeps
from sweep.instantiate import require_valid
from sweep.labels import config_folders, labels_of
from sweep.launching.joblib_workers import register_ending_workers
from sweep.launching.progress import Progress
from sweep.launching.ray_launcher import RayLauncher
from sweep.launching.worker_settings import require_no_worker, require_workers
from sweep.precision import Rounds
from system.errors import InputError, input_error_behind


@dataclass
class PointsSweeperConfig:
    """The options of `hydra/sweeper=points`.

    `workers` is the number of launcher jobs that share a sweep's points; null means as many as run at once. `added` is
    the number of leading arguments that run.py added as stand-ins for recorded data (`data=embedded`). With `dry_run`
    a sweep only says what it would compute.
    """

    _target_: str = MISSING
    workers: int | None = None
    added: int = 0
    dry_run: bool = False


class PointsSweeper(Sweeper):
    """Sweeper of `python run.py -m experiment=NAME[,NAME] [key=values ...]`."""

    def __init__(self, workers: int | None, added: int = 0, dry_run: bool = False) -> None:
        if workers is not None:
            require_workers("hydra.sweeper.workers", workers)
        self._workers = workers
        self._added = added
        self._dry_run = dry_run
        register_ending_workers()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration and its loader, and make the launcher."""
        self._config = config
        self._loader = hydra_context.config_loader
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Compute the missing points of the sweeps and print summaries.

        Exits with status 1 if a point failed.
        """
        require_no_worker(arguments)
        store = store_at(self._config.store)
        sweeps = self._sweeps(store, arguments[self._added :])
        if self._dry_run:
            sys.stdout.write("".join(f"{line}\n" for sweep in sweeps for line in self._dry_run_lines(store, sweep)))
            return
        folders = config_folders(self._config.hydra.runtime.config_sources)
        labels = [labels_of(({**point.settings, **point.axes} for point in sweep.points), folders) for sweep in sweeps]
        rounds = [Rounds(*both) for both in zip(sweeps, labels, strict=True)]
        workers = self._worker_count(sweeps)
        _write(store, rounds)
        try:
            self._compute_rounds(store, rounds, workers)
        finally:
            complete = [_report(store, part) for part in rounds]
        if not all(complete):
            sys.exit(1)

    def _dry_run_lines(self, store: Store, sweep: Sweep) -> list[str]:
        record = Rounds(sweep, {}).record()
        status, _ = sweep_status(store, sweep.experiment, record)
        return dry_run_lines(record, status, sweep.notes, self._worker_count([sweep]))

    def _compute_rounds(self, store: Store, rounds: Sequence[Rounds], workers: int) -> None:
        """Compute all rounds; records always describe the last complete one."""
        self._compute(store, rounds, workers, 1)
        for number in itertools.count(2):
            if not sum(part.go_on(store) for part in rounds):
                return
            self._compute(store, rounds, workers, number)
            _write(store, rounds)

    def _compute(self, store: Store, rounds: Sequence[Rounds], workers: int, number: int) -> None:
        """Compute all missing points of round `number`.

        Points that another sweep is computing are waited for; only those it leaves unfinished are computed here. Points
        of a worker that was lost, such as a killed one, are computed again as long as the work gets smaller.
        """
        work, before, loss = _missing_work(store, rounds), 0, None
        old_notes = {item.point: store.unfinished(item.point) for item in work}  # notes of attempts before this sweep
        while work and len(work) != before:
            loss = self._launch(store, work, workers, number) or loss
            wait_for_others(store.folder, [item.point for item in work])
            before = len(work)
            missing = _missing_work(store, rounds)
            work = [item for item in missing if store.unfinished(item.point) in (None, old_notes.get(item.point))]
        if loss and work:
            _raise_loss(loss)
        if loss:
            cause = hydra_sentence(loss).partition(". ")[0]
            sys.stderr.write(f"warning: a worker was lost; others did its work ({cause})\n")

    def _sweeps(self, store: Store, arguments: list[str]) -> list[Sweep]:
        """Return the sweeps that the arguments describe."""
        hydra = self._config.hydra
        folders = [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]
        name = hydra.job.config_name
        search_path = [text for text in hydra.overrides.hydra if text.startswith("hydra.searchpath=")]
        expansion = Expansion(self._loader, name, search_path)

        def expand(words: list[str]) -> list[Sweep]:
            if self._dry_run:  # which writes nothing
                return _valid(expansion.sweeps(words))
            return remembered_sweeps(store, [name, *words], folders, lambda: _valid(expansion.sweeps(words)))

        if "preference" not in self._config.data:
            return expand(arguments)
        sweeps, notes = available_sweeps(arguments, self._config.data.preference, expand)
        sys.stderr.write("".join(f"note: {note}\n" for note in notes))
        return sweeps

    def _launch(self, store: Store, work: list[WorkItem], workers: int, number: int) -> Exception | None:
        """Let workers do the work; return the error that stopped one, if any."""
        count = min(workers, len(work))
        path = write_work(Path(self._config.hydra.sweep.dir).absolute() / WORK_FILE, work)
        shared = [f"worker.work={json.dumps(str(path))}", f"store={json.dumps(str(store.folder))}"]
        jobs = [[*shared, f"worker.first={worker * len(work) // count}"] for worker in range(count)]
        progress = Progress(store, work, number)
        try:
            with beating(path), progress:
                for result in self._launcher.launch(jobs, initial_job_idx=0):
                    _ = result.return_value  # raises the error that stopped the worker
        except KeyboardInterrupt:
            if not progress.ended_launcher:
                raise
        except Exception as error:
            return error
        finally:
            with suppress(OSError):  # the launcher keeps its logs there
                path.parent.rmdir()
        return None

    def _worker_count(self, sweeps: Sequence[Sweep]) -> int:
        """Return the number of workers: as configured, or as many as run at once.

        No experiment gets more workers than it allows.
        """
        return min(self._workers or self._parallel_jobs(), *(sweep.workers or sys.maxsize for sweep in sweeps))

    def _parallel_jobs(self) -> int:
        """Return the number of jobs that the launcher runs at once.

        That is joblib's `n_jobs`, submitit's `array_parallelism`, or the CPUs of Ray; else 1.
        """
        if isinstance(self._launcher, RayLauncher):
            return self._launcher.cpu_count()
        launcher = self._config.hydra.launcher
        if "n_jobs" in launcher and launcher.n_jobs < 0:  # joblib counts down from all CPUs
            return os.cpu_count() or 1
        for key in ("n_jobs", "array_parallelism"):
            if key in launcher:
                require_workers(f"hydra.launcher.{key}", launcher[key])
                return int(launcher[key])
        return 1


def _raise_loss(loss: Exception) -> NoReturn:
    """Raise the error that stopped the last worker, in one sentence."""
    if input_error_behind(loss):
        raise loss
    raise InputError(
        f"hydra.launcher: its workers ended before the work was done ({hydra_sentence(loss)}); check its keys, or give "
        "fewer workers more memory; the same command goes on with the others"
    ) from loss


def _write(store: Store, rounds: Sequence[Rounds]) -> None:
    for part in rounds:
        store.write_experiment(part.sweep.experiment, part.record())


def _valid(sweeps: list[Sweep]) -> list[Sweep]:
    """Return the sweeps; raise `InputError` for a case that cannot be computed as configured."""
    for sweep in sweeps:
        keys = [*sweep.axes, *(text.partition("=")[0] for text in sweep.fixed)]
        require_valid((point.case for point in sweep.points), keys)
    return sweeps


def _report(store: Store, part: Rounds) -> bool:
    """Print the summary of a sweep; return whether no point failed or is missing."""
    sweep, record = part.sweep, part.record()
    rows, points = results_of(store, record)
    notes = [*data_label(sweep.experiment), *sweep.notes]
    lines = [summary_line(sweep.experiment, sweep.fixed, points), *(f"    {note}" for note in notes)]
    lines += [*reasons(points), *reached_precision(rows, sweep.axes, record), *notes_on(rows, sweep.axes)]
    lines += history_line(store, sweep.experiment)
    sys.stdout.write("\n".join(lines) + "\n")
    return not points["status"].isin(["failed", "missing"]).any()


def _missing_work(store: Store, rounds: Sequence[Rounds]) -> list[WorkItem]:
    """Return the missing parts; points that experiments share are returned once."""
    cases = {point.identity: point.case for part in rounds for point in part.sweep.points}
    committed = store.parts(cases)
    sizes = {identity: [part.sizes[identity] for part in rounds if identity in part.sizes] for identity in cases}
    largest = {identity: map(max, zip(*sizes[identity], strict=True)) for identity in cases}
    missing = {identity: missing_parts(committed[identity], *largest[identity]) for identity in cases}
    return [WorkItem(point, cases[point], parts) for point, parts in missing.items() if parts]
