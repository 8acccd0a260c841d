"""The settings of a sweep's workers: how many there are, and what each works on."""

from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from store.workers.work import WORK_FILE
from system.checks import require, require_count
from system.limits import WORKERS

NO_WORKER = {"work": None, "first": 0}


def require_workers(field: str, number: int) -> None:
    """Raise `InputError` unless a field is a number of workers."""
    require_count(WORKERS, **{field: number})


def is_worker(config: DictConfig) -> bool:
    """Return whether a sweep has started this process as a worker."""
    work = OmegaConf.select(config, "worker.work")
    return isinstance(work, str) and Path(work).name == WORK_FILE


def require_no_worker(arguments: Iterable[str]) -> None:
    """Raise `InputError` for arguments that set the keys of a worker."""
    for argument in arguments:
        key, _, value = argument.lstrip("+~").partition("=")
        is_workers = key.partition(".")[0] == "worker"
        require(not is_workers, key, value, "is set by a sweep for its workers; leave it out")
