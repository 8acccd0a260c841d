"""The sweeper: drops the points that the store has and gives the others to workers, jobs of any Hydra launcher.

So a launcher's cost (basic, joblib, submitit, Ray) is paid once a worker and not once a point. All workers find all
points, resolved, in one file, begin at different lines of it, and take what nobody else has (`store/disk/work.py`).
"""

import json
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig
from tqdm import tqdm

from store.commands.summary import reasons, summary_line
from store.disk.locks import wait_for_others
from store.disk.store import Store, missing_parts
from store.disk.work import WorkItem, write_work
from store.tables.reading import points_table
from sweep.errors import sentence
from sweep.expansion import Expansion, Sweep
from sweep.labels import config_folders, labels_of
from sweep.ray_launcher import RayLauncher
from sweep.remembered import remembered_sweeps

POLL_S = 0.5
LATE_S = 5.0  # how long workers that are lost or still in a queue are waited for once everything is done


@dataclass
class PointsSweeperConfig:
    """The options of `hydra/sweeper=points`.

    `workers` is how many jobs of the launcher share a sweep's points; null is as many as it runs at once. `added` is
    how many of the first arguments are stand-ins that run.py added (`data=embedded`).
    """

    _target_: str = MISSING
    workers: int | None = None
    added: int = 0


class PointsSweeper(Sweeper):
    """`python run.py -m experiment=NAME[,NAME] [key=values ...]`."""

    def __init__(self, workers: int | None, added: int = 0) -> None:
        self._workers = workers
        self._added = added

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._config = config
        self._loader = hydra_context.config_loader
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Compute what the store lacks of the sweeps and say how it went; exits with 1 if a point failed."""
        store = Store(Path(self._config.store).absolute())
        sweeps = self._sweeps(store, arguments[self._added :])
        folders = config_folders(self._config.hydra.runtime.config_sources)
        for sweep in sweeps:
            labels = labels_of((point.axes for point in sweep.points), folders)
            store.write_experiment(sweep.experiment, _as_record(sweep) | {"labels": labels})
        try:
            self._compute(store, sweeps)
        finally:
            complete = [_report(store, sweep) for sweep in sweeps]
        if not all(complete):
            sys.exit(1)

    def _compute(self, store: Store, sweeps: list[Sweep]) -> None:
        """All that is missing. What another sweep was at meanwhile is done here only if that did not finish it.

        What a worker that was lost, killed for instance, was at is done again, as long as that leads on.
        """
        work, before, loss = _missing_work(store, sweeps), 0, None
        old_notes = {item.point: store.unfinished(item.point) for item in work}  # of attempts before this sweep
        while work and len(work) != before:
            loss = self._launch(store, work, self._worker_count(sweeps)) or loss
            wait_for_others(store.folder, [item.point for item in work])
            before = len(work)
            missing = _missing_work(store, sweeps)
            work = [item for item in missing if store.unfinished(item.point) in (None, old_notes.get(item.point))]
        if loss and work:
            raise loss
        if loss:
            told = sentence(loss).partition(". ")[0]
            sys.stderr.write(f"warning: a worker was lost, others did its work ({told})\n")

    def _sweeps(self, store: Store, arguments: list[str]) -> list[Sweep]:
        """What the arguments ask for."""
        hydra = self._config.hydra
        folders = [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]
        name = hydra.job.config_name
        search_path = [text for text in hydra.overrides.hydra if text.startswith("hydra.searchpath=")]
        expansion = Expansion(self._loader, name, search_path)
        return remembered_sweeps(store, [name, *arguments], folders, lambda: expansion.sweeps(arguments))

    def _launch(self, store: Store, work: list[WorkItem], workers: int) -> Exception | None:
        """Have workers do the work; what stopped one of them before its time, if anything did."""
        count = min(workers, len(work))
        path = write_work(Path(self._config.hydra.sweep.dir).absolute() / "work.jsonl", work)
        shared = [f"worker.work={json.dumps(str(path))}", f"store={json.dumps(str(store.folder))}"]
        jobs = [[*shared, f"worker.first={worker * len(work) // count}"] for worker in range(count)]
        progress = _Progress(store, work)
        try:
            with progress:
                for result in self._launcher.launch(jobs, initial_job_idx=0):
                    _ = result.return_value  # raises what stopped the worker
        except KeyboardInterrupt:
            if not progress.all_done():
                raise
        except Exception as error:
            return error
        finally:
            path.unlink(missing_ok=True)  # workers that are still there stop after their point
        return None

    def _worker_count(self, sweeps: Sequence[Sweep]) -> int:
        """As many as were asked for, or as run at once, but no more than any of the experiments allows."""
        return min(self._workers or self._at_once(), *(sweep.workers or sys.maxsize for sweep in sweeps))

    def _at_once(self) -> int:
        """Jobs that the launcher runs at once: joblib's `n_jobs`, submitit's `array_parallelism`, Ray's CPUs, or 1."""
        if isinstance(self._launcher, RayLauncher):
            return self._launcher.cpu_count()
        for key in ("n_jobs", "array_parallelism"):
            if key in self._config.hydra.launcher:
                count = int(self._config.hydra.launcher[key])
                return count if count > 0 else os.cpu_count() or 1
        return 1


class _Progress:
    """A bar that counts finished points in the store, whichever machine computes them; and no waiting for nothing."""

    def __init__(self, store: Store, work: list[WorkItem]) -> None:
        self._store, self._work = store, work
        self._bar = tqdm(total=len(work), unit="point", file=sys.stderr, dynamic_ncols=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before = store.finished_files()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._update()
        self._bar.close()

    def all_done(self) -> bool:
        """Whether nobody has anything left to do."""
        new = self._new_files()
        return all(
            f"{item.point}.json" in new or all(self._store.has(item.point, part) for part in item.parts)
            for item in self._work
        )

    def _watch(self) -> None:
        looking_s = 0.0
        while not self._stop.wait(max(POLL_S, 20 * looking_s)):  # a large store takes a while to look at
            begin = time.perf_counter()
            self._update()
            if self._bar.n == len(self._work) and self.all_done():
                break
            looking_s = time.perf_counter() - begin
        if not self._stop.wait(LATE_S):  # a launcher waits for all of its jobs: stop it as Ctrl-C would
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _update(self) -> None:
        new = {name.split(".", 1)[0] for name in self._new_files()}
        self._bar.n = sum(item.point in new for item in self._work)
        self._bar.refresh()

    def _new_files(self) -> set[str]:
        """Names of those that finished points have left or written again since the begin."""
        return {name for name, _ in self._store.finished_files() - self._before}


def _report(store: Store, sweep: Sweep) -> bool:
    """Say what came of a sweep; whether no point failed or is missing."""
    points = points_table(store, _as_record(sweep))
    sys.stdout.write("\n".join([summary_line(sweep.experiment, sweep.fixed, points), *reasons(points)]) + "\n")
    return not points["status"].isin(["failed", "missing"]).any()


def _missing_work(store: Store, sweeps: Sequence[Sweep]) -> list[WorkItem]:
    """What is not yet stored, each point once however many experiments share it."""
    cases = {}
    draws: defaultdict[str, int] = defaultdict(int)
    replications: defaultdict[str, int] = defaultdict(int)
    for sweep in sweeps:
        for point in sweep.points:
            cases[point.identity] = point.case
            draws[point.identity] = max(draws[point.identity], sweep.draws)
            replications[point.identity] = max(replications[point.identity], sweep.replications)
    committed = store.parts(cases)
    missing = {point: missing_parts(committed[point], draws[point], replications[point]) for point in cases}
    return [WorkItem(point, cases[point], parts) for point, parts in missing.items() if parts]


def _as_record(sweep: Sweep) -> dict[str, Any]:
    return {
        "fixed": sweep.fixed,
        "axes": sweep.axes,
        "draws": sweep.draws,
        "replications": sweep.replications,
        "points": [{"point": point.identity, "axes": point.axes} for point in sweep.points],
    }
