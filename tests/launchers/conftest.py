"""Header of a test run with the way in which SLURM is tested."""

from tests.launchers.slurm_node import is_installed


def pytest_report_header():
    way = "its own daemons" if is_installed() else "submitit's local executor, as its daemons are not installed"
    return f"SLURM: tested with {way}"
