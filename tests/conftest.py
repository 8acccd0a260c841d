"""Tests that run only when asked for with -m: `slow`, the full form of a claim, and `browser`, which needs Chromium."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes, runs only when asked for with -m slow")
    config.addinivalue_line("markers", "browser: drives Chromium, runs only when asked for with -m browser")
    config.option.markexpr = config.option.markexpr or "not slow and not browser"
