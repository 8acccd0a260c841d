"""A second process starts without compiling anything: every compiled function is cached on disk under a fixed key."""

import json

from tests.support.project import command


def _compiled_or_loaded() -> dict[str, dict[str, int]]:
    """Of each compiled function, how many of its signatures a process compiled and how many it found on disk."""
    done = command("-m", "tests.benchmarks.support.fresh_process")
    assert done.returncode == 0, done.stderr
    counts: dict[str, dict[str, int]] = json.loads(done.stdout)
    return counts


def test_second_process_compiles_nothing() -> None:
    _compiled_or_loaded()  # compiles what the cache lacks
    second = _compiled_or_loaded()
    assert {
        "algorithms.allocation.gca._fill_chains",
        "algorithms.dispatch.jffc.jffc",
        "algorithms.placement.reservation._form_chains",
        "evaluators.queueing.exact._loss_system",
        "evaluators.simulation.jobs_loop.run_on_chains",
    } <= {name for name, counts in second.items() if counts["loaded"]}
    assert not any(counts["compiled"] for counts in second.values()), second
