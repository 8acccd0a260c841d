"""The figure and the card of runs of engines: errors, the rule, families of points, and bounds of a check."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.figures.beyond import engines
from store.tables.labels import Labels
from tests.engines.bounds import _of_errors
from tests.support.made_up_results import results_of

LABELS = Labels(
    {
        "service": {"independent": "equation (2)", "llamacpp": "lockstep, llama.cpp"},
        "tuning": {"fixed": "c fixed", "exact_mean": "exact", "interference": "interference"},
        "cluster": {"local_halves": "halves", "local_splits": "parts"},
    }
)
SIMULATED, THEORY = "lockstep, llama.cpp, simulation", "lockstep, llama.cpp, theory"
KINDS = {  # service and evaluator, and what they say relative to the measured time
    ("independent", "replay"): 0.5,
    ("llamacpp", "replay"): 1.1,
    ("llamacpp", "interference"): 0.9,
    ("llamacpp", "llamacpp"): 1.0,
}
FIXED = [("local_halves", "fixed", 4.0, load) for load in (0.3, 0.6)]
FIXED += [("local_halves", "fixed", c, 0.6) for c in (1.0, 2.0)] + [("local_splits", "fixed", 4.0, 0.6)]
CHOICES = [("local_halves", tuning, np.nan, 0.3) for tuning in ("exact_mean", "interference")]


def made_up(ratios=KINDS, draws=3):
    """Return rows of all points, in which each run has its own slowness."""
    rows = [
        {"cluster": cluster, "tuning": tuning, "tuning.capacity": c, "demand.load": load, "service": service}
        | {"evaluator": evaluator, "draw": draw, "metric": metric, "at": at}
        | {"value": ratio * load * (1 + draw) * (3 if metric != "response_mean_s" else 1)}
        for (service, evaluator), ratio in ratios.items()
        for cluster, tuning, c, load in (*FIXED, *CHOICES)
        for draw in range(draws)
        for metric, at in (("response_mean_s", np.nan), ("response_quantile_s", 0.95), ("response_quantile_s", 0.5))
    ]
    chosen = [
        {"cluster": "local_halves", "tuning": tuning, "tuning.capacity": np.nan, "demand.load": 0.3, "at": np.nan}
        | {"service": "llamacpp", "evaluator": "composition", "draw": 0, "metric": "reserved_capacity", "value": c}
        for tuning, c in (("exact_mean", 4), ("interference", 1))
    ]
    table = pd.DataFrame([*rows, *chosen]).assign(status="ok", draws=draws, replication=0)
    axes = ["cluster", "tuning", "tuning.capacity", "demand.load", "service", "evaluator"]
    return table.assign(point=[" ".join(map(str, values)) for values in table[axes].to_numpy()])


def test_errors_are_medians_over_runs_of_predicted_over_measured():
    errors = engines.relative_errors(made_up(), LABELS)
    assert len(errors) == 2 * (len(FIXED) + len(CHOICES))
    for kind, error in (("equation (2)", -0.5), (SIMULATED, 0.1), (THEORY, -0.1)):
        assert errors[kind].to_numpy() == pytest.approx(error)


def test_the_card_has_the_errors_the_verdicts_and_the_chosen_c():
    card = engines.card(results_of(made_up()), LABELS)
    assert "- equation (2): mean response 50% off in the median (-50% to -50%, 7 points)" in card
    assert "not within 15% of the mean response and 25% of the P95 response" in card
    assert f"- {THEORY}: mean response 10% off in the median" in card
    assert "; within 15% of the mean response and 25% of the P95 response" in card
    assert "- c of exact: 4; mean response 0.6 s" in card
    assert "- c of interference: 1; mean response 0.6 s" in card
    assert "c = 4, parts, c fixed, load = 0.6" in card


def test_predictions_without_runs_have_a_card_and_a_figure():
    predictions = {kind: ratio for kind, ratio in KINDS.items() if kind[1] != "llamacpp"}
    results = results_of(made_up(predictions))
    assert "Nothing was measured yet." in engines.card(results, LABELS)
    assert len(drawn(results).axes) > 0


def drawn(results):
    figure = engines.draw(results, LABELS)
    plt.close(figure)
    return figure


def test_each_family_of_points_has_a_panel_with_a_mark_for_each_kind():
    figure = drawn(results_of(made_up()))
    names = {axes.get_xlabel() for axes in figure.axes}
    assert {"load λ/ν'", "slots of a chain", "c chosen by"} <= names
    slots = next(axes for axes in figure.axes if axes.get_xlabel() == "slots of a chain")
    assert [label.get_text() for label in slots.get_xticklabels()] == ["1", "2", "4"]
    marks = {line.get_label(): line.get_ydata() for line in slots.lines}
    assert set(marks) == {"equation (2)", SIMULATED, THEORY, engines.MEASURED}
    np.testing.assert_allclose(sorted(marks[engines.MEASURED]), [1.2] * 3)  # .6 in the median of three runs


@pytest.mark.parametrize(("ratio", "is_out"), [(1.3, False), (0.4, False), (5.0, True), (0.2, True)])
def test_the_check_of_make_engines_has_loose_bounds(ratio, is_out):
    errors = engines.relative_errors(made_up(KINDS | {("llamacpp", "replay"): ratio}), LABELS)
    assert bool(list(_of_errors(errors))) == is_out


def test_the_check_of_make_engines_finds_a_single_point_that_is_far_off():
    rows = made_up()
    is_one = (rows["evaluator"] == "llamacpp") & (rows["tuning.capacity"] == 1)
    rows.loc[is_one, "value"] *= 4
    assert "a factor of 4.0 from that" in "".join(_of_errors(engines.relative_errors(rows, LABELS)))
