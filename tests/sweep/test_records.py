"""Records of sweeps over the project's own configuration, and the view over several of them."""

import pytest

from store.disk.sweeps import view_of
from sweep.precision import Rounds

FEW = ("data=embedded", "constants=paper")
SCHEMES = ("experiment=fig8", *FEW, "cluster.server_count=20", "cluster.fast_share=0.2")


@pytest.fixture
def view(expand):
    """Return a function that gives the view over sweeps with these words."""
    return lambda *commands: view_of(
        [Rounds(sweep, {}).record() for words in commands for sweep in expand(list(words))]
    )


def column(view, axis):
    return [entry["axes"].get(axis) for entry in view["points"]]


@pytest.mark.parametrize("name", ["fig3b", "fig8_load", "real_vs_predicted_trace"])
def test_the_view_over_one_sweep_is_that_sweep(expand, view, name):
    (sweep,) = expand([f"experiment={name}", *FEW[:1]])
    seen = view([f"experiment={name}", *FEW[:1]])
    assert seen["axes"] == sweep.axes
    assert [(entry["point"], entry["axes"]) for entry in seen["points"]] == [p[:2] for p in sweep.points]
    assert all(entry["is_current"] and entry["is_declared"] for entry in seen["points"])


def test_points_have_their_values_of_keys_that_another_command_sets(view):
    seen = view(SCHEMES, (*SCHEMES, "network=local", "tuning.capacity=6"))
    assert seen["axes"][-2:] == ["network", "tuning.capacity"]
    assert column(seen, "network") == ["european"] * 6 + ["local"] * 6
    by_scheme = list(zip(column(seen, "algorithm"), column(seen, "tuning.capacity"), strict=True))
    baselines = [("petals", None), ("bprr", None)]  # which reserve no capacity
    tuned = ("proposed_tuned", None)
    for first, c in ((0, "7"), (6, "6")):
        expected = [*baselines, tuned, *[("proposed", c)] * 3]
        assert sorted(by_scheme[first : first + 6], key=str) == sorted(expected, key=str)
    assert [entry["is_declared"] for entry in seen["points"]] == [True] * 6 + [False] * 6


def test_a_value_that_refers_to_another_key_is_that_keys(view):
    trace = ("experiment=real_vs_predicted_trace", "data=embedded", "evaluator=replay", "service=independent")
    seen = view((*trace, "real_requests=30"), (*trace, "workload.job_count=40"))
    assert dict.fromkeys(column(seen, "workload.job_count")) == {"30": None, "40": None}


def test_a_swept_and_a_fixed_key_is_one_axis(view):
    seen = view(
        (*SCHEMES, "algorithm=proposed", "case.seed=1"), (*SCHEMES, "algorithm=proposed", "case.seed=2026,2027")
    )
    assert set(column(seen, "case.seed")) == {"2026", "2027", "1"}


def test_metrics_of_one_sweep_are_an_axis(view):
    alone = (*SCHEMES, "algorithm=petals", "evaluator=simulation")
    seen = view(alone, (*alone, "metric=[slowdown,fairness]"))
    assert seen["axes"][-1:] == ["metric"]
    assert column(seen, "metric") == [None, "[slowdown,fairness]"]
    assert len(seen["axes"]) == 6
