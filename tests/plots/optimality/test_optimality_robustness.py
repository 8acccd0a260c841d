"""The figure of robustness pairs jobs, shades losses, and marks what is unstable."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.figures.optimality import optimality_robustness
from plots.files import try_to_draw
from store.tables.labels import Labels
from tests.support.made_up_results import results_of

DRAWS = 3
LABELS = Labels(
    {
        "algorithm": {"proposed_exact": "Proposed, best c", "searched": "Searched", "mine": "My scheme"},
        "workload": {"poisson": "Poisson, exponential", "bursty": "bursty arrivals"},
        "service": {"independent": "equation (2)", "steps": "step queues"},
    }
)
REFERENCE_S = np.array([10.0, 20.0, 30.0])


def rows_of(values, algorithm, workload="poisson", service="independent", load="0.5", **axes):
    point = {"workload": workload, "service": service, "demand.load": load, "algorithm": algorithm} | axes
    measured = {"status": "ok", "draws": DRAWS, "replication": 0, "metric": "response_mean_s", "at": np.nan}
    rows = [point | measured | {"draw": draw, "value": value} for draw, value in enumerate(values)]
    return pd.DataFrame(rows).assign(point=str(point))


def schemes(*factors, **where):
    """Return rows of the reference and of schemes at factors of it."""
    others = [
        rows_of(factor * REFERENCE_S, name, **where)
        for name, factor in zip(("searched", "mine"), factors, strict=False)
    ]
    return pd.concat([rows_of(REFERENCE_S, "proposed_exact", **where), *others], ignore_index=True)


def drawn(*tables, refused=()):
    results = results_of(pd.concat(tables, ignore_index=True), refused)
    figure = optimality_robustness.draw(results, LABELS)
    plt.close(figure)
    return figure


def changes(axes):
    """Return the drawn means by label and nearest column."""
    words = [tick.get_text().replace("\n", " ") for tick in axes.get_xticklabels()]
    return {
        (curve.get_label(), words[round(x)]): pytest.approx(y)
        for curve in axes.containers
        for x, y in zip(*curve.lines[0].get_data(), strict=True)
    }


def test_columns_are_workloads_and_changes_are_those_of_the_draws():
    lossy = schemes(1.3, 0.9, workload="bursty")
    figure = drawn(schemes(0.8, 0.7), lossy, schemes(1.1, 1.0, workload="bursty", service="steps"))
    (axes,) = figure.axes
    assert changes(axes) == {
        ("Searched", "Poisson, exponential"): -20,
        ("My scheme", "Poisson, exponential"): -30,
        ("Searched", "bursty arrivals"): 30,
        ("My scheme", "bursty arrivals"): -10,
        ("Searched", "bursty arrivals, step queues"): 10,
        ("My scheme", "bursty arrivals, step queues"): 0,
    }
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Searched", "My scheme"]


def test_each_load_has_a_panel_and_refused_draws_are_marked():
    lost = rows_of(REFERENCE_S, "searched", load="0.8").iloc[:1]
    refused = lost[["point", "workload", "service", "demand.load", "algorithm"]].to_dict("records")[0]
    figure = drawn(
        schemes(0.8),
        rows_of(REFERENCE_S, "proposed_exact", load="0.8"),
        refused=[refused | {"status": "unstable", "draws": DRAWS}],
    )
    low, high = figure.axes
    assert (low.get_title(), high.get_title()) == ("load = 0.5", "load = 0.8")
    assert [text.get_text() for text in high.texts] == ["3/3"]
    assert changes(high) == {}


def test_rows_without_the_reference_say_so():
    rows = rows_of(REFERENCE_S, "searched")
    assert "lack 'algorithm = proposed_exact'" in try_to_draw(optimality_robustness.draw, results_of(rows), LABELS)
