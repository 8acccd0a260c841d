"""A launcher that waits for a worker which never comes, as one does whose worker was killed or is still in a queue."""

import time

from hydra._internal.core_plugins.basic_launcher import BasicLauncher


class WaitingLauncher(BasicLauncher):
    """Runs its jobs and then waits."""

    def launch(self, job_overrides, initial_job_idx):
        super().launch(job_overrides, initial_job_idx)
        time.sleep(600)
