"""Tests that run only when asked for with -m.

`slow` is the full form of a claim that a smaller form checks by default: `make validate`. `launchers` needs Ray,
submitit and, where it is there, SLURM: `make launchers`. `browser` needs Chromium: `make browser`. `engines` starts
llama.cpp: `make engines`. `vllm` and `petals` need these engines in environments of their own: `make vllm`,
`make petals`.
"""

import signal

import pytest

MARKERS = {
    "slow": "takes minutes",
    "launchers": "needs the extras slurm and ray",
    "browser": "drives Chromium",
    "vllm": "asks vLLM's own parser",
    "petals": "runs PETALS or asks its own parser",
    "engines": "starts llama.cpp",
}


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what it puts in the background with Ctrl-C ignored, which processes that tests start would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, why in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {why}, runs only when asked for with -m {name}")
    config.option.markexpr = config.option.markexpr or " and ".join(f"not {name}" for name in MARKERS)
