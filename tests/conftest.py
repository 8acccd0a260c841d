"""`slow` marks the full form of a claim that a smaller form of checks by default; `pytest -m slow` runs it."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes, runs only when asked for with -m slow")
    config.option.markexpr = config.option.markexpr or "not slow"
