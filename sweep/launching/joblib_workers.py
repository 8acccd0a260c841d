"""The workers of joblib, which end when they are told or when the main process is gone."""

import os
import sys
from typing import Any

from joblib import register_parallel_backend
from joblib.parallel import LokyBackend

from store.workers.life import end_with_parent
from system.errors import Stopped


class EndingWorkers(LokyBackend):
    """Processes of joblib that end after their points, also if the main process is killed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(initializer=end_with_parent, initargs=(os.getpid(),), **options)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Kill the workers; at a signal other than Ctrl-C let them finish their points."""
        if not isinstance(sys.exception(), Stopped):
            super().abort_everything(ensure_ready)


def register_ending_workers() -> None:
    """Let joblib use `EndingWorkers` where Hydra's launcher asks for its own processes."""
    register_parallel_backend("loky", EndingWorkers)
