"""The cache of compiled functions: a second process compiles nothing, because every function is cached on disk."""

import json

from tests.support.project import command


def _compiled_or_loaded() -> dict[str, dict[str, int]]:
    """Return how many signatures of each function a process compiled and loaded."""
    process = command("-m", "tests.benchmarks.support.fresh_process")
    assert process.returncode == 0, process.stderr
    counts: dict[str, dict[str, int]] = json.loads(process.stdout)
    return counts


def test_second_process_compiles_nothing() -> None:
    _compiled_or_loaded()  # compiles the functions that the cache lacks
    second = _compiled_or_loaded()
    assert {
        "algorithms.allocation.gca.fill_chains",
        "algorithms.dispatch.jffc.jffc",
        "algorithms.placement.reservation.form_in_order",
        "evaluators.queueing.loss_system.loss_system",
        "evaluators.simulation.jobs_loop.run_on_chains",
    } <= {name for name, counts in second.items() if counts["loaded"]}
    assert not any(counts["compiled"] for counts in second.values()), second
