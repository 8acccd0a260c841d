"""The map of trust in the exact theory divides draw by draw, and marks what lies beyond its band."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.figures.beyond import exact_trust
from plots.files import try_to_draw
from store.tables.labels import Labels
from tests.support.made_up_results import results_of

LABELS = Labels({})
EXACT_S = (10.0, 20.0, 30.0)  # of each draw
ARRIVALS, SIZES, LOAD = "workload.arrivals.cv", "workload.size_cv", "demand.load"


def rows_of(evaluator, values_s, load="0.5", arrivals="", sizes="", metric="response_mean_s"):
    point = {"evaluator": evaluator, LOAD: load, ARRIVALS: arrivals, SIZES: sizes}
    measured = {"status": "ok", "draws": len(EXACT_S), "replication": 0, "metric": metric, "at": np.nan}
    rows = [point | measured | {"draw": draw, "value": value} for draw, value in enumerate(values_s)]
    return pd.DataFrame(rows).assign(point=str(point))


def simulated(errors, **axes):
    """Return rows whose values are these shares above the exact ones."""
    return rows_of("simulation", np.multiply(EXACT_S, np.add(1, errors)), **axes)


def drawn(*tables, refused=()):
    figure = exact_trust.draw(results_of(pd.concat(tables, ignore_index=True), refused), LABELS)
    plt.close(figure)
    return figure


def cells(axes):
    """Return the text and weight of each cell by column and line."""
    columns, lines = ([tick.get_text() for tick in ticks()] for ticks in (axes.get_xticklabels, axes.get_yticklabels))
    marks = ((text.get_position(), text) for text in axes.texts)
    return {(columns[x], lines[y]): (text.get_text(), text.get_weight()) for (x, y), text in marks}


def test_error_is_that_of_each_draw_and_bold_if_its_interval_is_beyond_the_band():
    exact = rows_of("exact", EXACT_S)
    # With 3 draws the half-width of -.1, 0 and .1 above a mean is Student's 4.303 * .1 / sqrt(3) = 24.8 %.
    clear = simulated([0.5, 0.6, 0.7], arrivals="3", sizes="0.5")
    unclear = simulated([0.2, 0.3, 0.4], arrivals="1", sizes="2")
    below = simulated([-0.5, -0.5, -0.5], arrivals="1", sizes="0.5")
    (axes,) = drawn(exact, clear, unclear, below).axes
    assert axes.get_title() == "load = 0.5 (%)"
    assert cells(axes) == {
        ("3", "0.5"): ("+60.0\n±24.8", "bold"),
        ("1", "2"): ("+30.0\n±24.8", "normal"),
        ("1", "0.5"): ("-50.0\n±0.0", "bold"),
    }


def test_every_load_has_a_panel_and_its_own_exact_mean():
    loads = {"0.3": 1.0, "0.9": 3.0}
    exact = [rows_of("exact", np.multiply(EXACT_S, factor), load) for load, factor in loads.items()]
    both = [simulated([0.2] * 3, load=load, arrivals="1", sizes="1") for load in loads]
    low, high = drawn(*exact, *both).axes
    assert cells(low) == {("1", "1"): ("+20.0\n±0.0", "bold")}
    assert cells(high) == {("1", "1"): ("-60.0\n±0.0", "bold")}


def test_cell_without_all_draws_has_no_number():
    rows = simulated([0.1] * 3, arrivals="1", sizes="1")
    partly = simulated([0.1] * 3, arrivals="2", sizes="1").iloc[1:].assign(status="unstable")
    (axes,) = drawn(rows_of("exact", EXACT_S), rows, partly).axes
    assert list(cells(axes)) == [("1", "1")]


@pytest.mark.parametrize("evaluator", ["exact", "simulation"])
def test_rows_of_one_kind_say_what_they_lack(evaluator):
    rows = rows_of(evaluator, EXACT_S, arrivals="1", sizes="1")
    message = try_to_draw(exact_trust.draw, results_of(rows), LABELS)
    assert "lack 'simulated and exact means of the same load'" in message
