"""The figure of optimality takes gaps draw by draw, and its card lists what is certified."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.figures.optimality import optimality
from plots.figures.optimality.certified_gaps import gaps
from plots.files import try_to_draw
from store.tables.labels import Labels
from tests.support.made_up_results import results_of

LABELS = Labels(
    {
        "algorithm": {"proposed": "Proposed", "searched": "Searched"},
        "dispatch": {"jffc": "JFFC", "mine": "My policy"},
        "evaluator": {"bound": "no scheme is below", "exact": "exact"},
        "cluster": {"mixed": "mixed servers"},
        "constants": {"paper": "constants of the paper"},
    }
)
BOUND_S = np.array([10.0, 20.0, 30.0])
SIZES = {"a100": np.nan, "mixed": 24}


def rows_of(values, cluster, load, metric="response_mean_s", algorithm="proposed", **axes):
    point = {"cluster": cluster, "cluster.server_count": SIZES[cluster], "constants": "paper", "demand.load": load}
    point |= {"algorithm": algorithm, "dispatch": "jffc", "evaluator": "exact"} | axes
    measured = {"status": "ok", "draws": len(values), "replication": 0, "metric": metric, "at": np.nan}
    rows = [point | measured | {"draw": draw, "value": value} for draw, value in enumerate(values)]
    return pd.DataFrame(rows).assign(point=str(point))


def both_clusters():
    """Return rows of schemes 50, 20 and 10 % above the bound."""
    tables = []
    for cluster, load in ((cluster, load) for cluster in SIZES for load in ("0.5", "0.8")):
        tables += [
            rows_of(BOUND_S, cluster, load, "response_bound_s", evaluator="bound"),
            rows_of([1.0, 2.0, 3.0], cluster, load, "rate_bound_per_s", evaluator="bound"),
            rows_of(1.5 * BOUND_S, cluster, load),
            rows_of([1.3, 1.2, 1.1] * BOUND_S, cluster, load, algorithm="searched"),
            rows_of(1.1 * BOUND_S, cluster, load, algorithm="searched", dispatch="mine"),
        ]
    tables.append(rows_of([0.4, 0.8, 1.2], "mixed", "0.5", "arrival_rate_per_s", evaluator="composition"))
    return pd.concat(tables, ignore_index=True)


def drawn(rows):
    figure = optimality.draw(results_of(rows), LABELS)
    plt.close(figure)
    return figure


def means_in(axes):
    return {curve.get_label(): curve.lines[0].get_ydata().tolist() for curve in axes.containers}


def test_columns_are_clusters_with_the_bound_as_a_line_and_gaps_below():
    figure = drawn(both_clusters())
    assert [axes.get_title() for axes in figure.axes[:2]] == [
        "a100\nconstants of the paper",
        "mixed servers, J = 24\nconstants of the paper",
    ]
    for above, below in zip(figure.axes[:2], figure.axes[2:], strict=True):
        assert means_in(above)["no scheme is below"] == [20.0, 20.0]
        assert means_in(below) == {
            "Proposed": pytest.approx([50, 50]),
            "Searched, JFFC": pytest.approx([20, 20]),  # of the draws' ratios; that of the means is 17 %
            "Searched, My policy": pytest.approx([10, 10]),
        }
        assert below.get_ylim()[0] == 0
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(legend) == sorted([*means_in(figure.axes[2]), "no scheme is below"])


def test_card_has_medians_gaps_with_intervals_and_the_largest_rate():
    text = optimality.card(results_of(both_clusters()), LABELS)
    medians, first, second = (part.splitlines() for part in text.split("```")[1::2])
    assert "Proposed                 50.0      50.0" in medians
    # With 3 draws the half-width of 30, 20 and 10 is Student's 4.303 * 10 / sqrt(3).
    for table in (first, second):
        assert "Searched, JFFC       20.0 ± 24.8  20.0 ± 24.8" in table
    # The largest rate over c is the arrival rate over 0.5.
    assert text.count("at most 25.0 ± 0.0 % above the largest ν over c") == 1


def test_gap_needs_a_bound_of_the_same_draw():
    rows = rows_of(1.5 * BOUND_S, "mixed", "0.5")
    partly = rows_of(BOUND_S, "mixed", "0.5", "response_bound_s", evaluator="bound").iloc[1:]
    assert gaps(pd.concat([rows, partly]))["draw"].tolist() == [1, 2]
    message = try_to_draw(optimality.draw, results_of(rows), LABELS)
    assert "lack 'mean response times and bounds of the same load'" in message


def test_unstable_scheme_has_no_gap_and_a_dash():
    rows = both_clusters()
    lost = rows["algorithm"].eq("proposed") & rows["demand.load"].eq("0.8") & rows["evaluator"].eq("exact")
    rows.loc[lost, "status"] = "unstable"
    rows = rows[~(lost & rows["draw"].eq(0))]
    figure = drawn(rows)
    assert means_in(figure.axes[2])["Proposed"] == pytest.approx([50])
    assert {text.get_text() for text in figure.axes[0].texts} == {"1/3"}
    text = optimality.card(results_of(rows), LABELS)
    assert text.count("50.0 ± 0.0   –") == 2
    assert "Proposed                 50.0  –" in text  # no median
