"""The figure of the accuracy of theory: errors are those of the rows, and unstable simulations count as misses."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.figures.interference.interference_accuracy import draw, errors
from store.tables.labels import Labels
from tests.support.made_up_results import results_of

LOADS, DRAWS, CAPACITIES = (0.2, 0.6, 0.95), 4, ("1", "4", "16")


def rows_of(error):
    """Return rows whose theory is off by `error(c, draw, load)`.

    The simulation is unstable where it is NaN.
    """
    rows = []
    for c in CAPACITIES:
        for number in range(DRAWS):
            for load in LOADS:
                off = error(int(c), number, load)
                values = {"response_theory_s": 10.0, "computation_share": 0.1 * number + 0.3, "prompt_share": 0.5}
                values |= {"is_unstable": 1.0} if np.isnan(off) else {"response_simulated_s": 10.0 / (1 + off)}
                point = {"point": c, "tuning.capacity": c, "status": "ok", "draws": DRAWS, "draw": number}
                point |= {"replication": 0, "at": load}
                rows += [point | {"metric": metric, "value": value} for metric, value in values.items()]
    return pd.DataFrame(rows)


def test_errors_are_those_of_the_rows():
    table = errors(rows_of(lambda c, number, load: 0.01 * c + 0.1 * number))
    assert len(table) == len(CAPACITIES) * DRAWS * len(LOADS)
    assert table["error"].to_numpy() == pytest.approx(table["tuning.capacity"] + 10 * table["draw"])


def test_unstable_simulations_are_misses():
    table = errors(rows_of(lambda c, number, load: np.nan if (c, number) == (4, 0) else 0.0))
    assert sorted(table["error"].unique()) == [-100, 0]
    assert (table["error"] == -100).sum() == len(LOADS)


def test_the_note_counts_loads_below_nine_tenths():
    figure = draw(results_of(rows_of(lambda c, number, load: 0.5 if load > 0.9 else 0.03)), Labels())
    (note,) = [text.get_text() for legend in figure.legends for text in [legend.get_title()]] or [""]
    words = " ".join(note.split())
    assert "12 random systems" in words
    assert "median error is 3.0 %, 100% are within 20 %" in words
    assert len(figure.axes) == 4
    plt.close(figure)
