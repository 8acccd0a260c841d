"""Says at the head of a run what of SLURM is tried."""

from tests.launchers.slurm_node import is_installed


def pytest_report_header():
    tried = "its daemons are installed, and tried" if is_installed() else "no daemons here: submitit's local executor"
    return f"SLURM: {tried}"
