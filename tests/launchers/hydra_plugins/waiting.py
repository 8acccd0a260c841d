"""A launcher that waits for a worker that never starts, as if that were killed or still queued."""

import time

from hydra._internal.core_plugins.basic_launcher import BasicLauncher


class WaitingLauncher(BasicLauncher):
    """Launcher that runs its jobs and then waits."""

    def launch(self, job_overrides, initial_job_idx):
        super().launch(job_overrides, initial_job_idx)
        time.sleep(600)
