"""`slow` marks the full form of a claim that a smaller form of checks by default; `pytest -m slow` runs it.

`launchers` marks what needs Ray, submitit and, where it is there, SLURM: `make launchers` runs it.
"""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes, runs only when asked for with -m slow")
    config.addinivalue_line("markers", "launchers: needs the extras slurm and ray, runs only with -m launchers")
    config.option.markexpr = config.option.markexpr or "not slow and not launchers"
