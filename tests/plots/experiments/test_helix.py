"""The figure of the field's schemes: curves over the rate, bars of tokens, and a card of winners."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.figures.beyond import helix
from store.tables.labels import Labels
from tests.support.made_up_results import results_of

LABELS = Labels(
    {
        "algorithm": {"swarm": "SWARM", "separate": "Separate", "mine": "Mine"},
        "cluster": {"one": "one place", "many": "many places"},
        "model": {"large": "a large model", "small": "a small model"},
    }
)
MEAN = "response_mean_s"


def rows_of(algorithm, metric, values, cluster="one", model="large", rate=0.5, evaluator="simulation"):
    point = {"cluster": cluster, "model": model, "algorithm": algorithm, "demand.per_s": rate, "evaluator": evaluator}
    measured = {"status": "ok", "draws": len(values), "replication": 0, "metric": metric, "at": np.nan}
    rows = [point | measured | {"draw": draw, "value": value} for draw, value in enumerate(values)]
    return pd.DataFrame(rows).assign(point=str(point))


def all_rows():
    """Return three panels and a scheme with tokens only."""
    tables = []
    for cluster, model in (("one", "large"), ("many", "large"), ("one", "small")):
        for algorithm, seconds in (("swarm", 40.0), ("separate", 30.0)):
            for rate in (0.5, 1.0):
                tables.append(rows_of(algorithm, MEAN, [seconds * rate, seconds * rate], cluster, model, rate))
            tables.append(rows_of(algorithm, helix.FLOW, [seconds * 10], cluster, model, evaluator="maxflow"))
            tables.append(rows_of(algorithm, helix.SATURATED, [seconds * 8], cluster, model, evaluator="saturation"))
            tables.append(rows_of(algorithm, helix.PLANNING, [seconds / 100], cluster, model, evaluator="planning"))
    tables.append(rows_of("mine", helix.FLOW, [500.0], evaluator="maxflow"))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture
def figure():
    drawn = helix.draw(results_of(all_rows()), LABELS)
    yield drawn
    plt.close(drawn)


def test_every_model_and_cluster_has_response_times_above_tokens(figure):
    titles = ["a large model\none place", "a large model\nmany places", "a small model\none place"]
    assert [axes.get_title() for axes in figure.axes] == [*titles, "", "", ""]
    assert [axes.get_xlabel() for axes in figure.axes[3:]] == ["output (tokens/s)"] * 3


def test_curves_are_means_and_bars_are_tokens(figure):
    responses, _, _, tokens, *_ = figure.axes
    means = {curve.get_label(): curve.lines[0].get_ydata().tolist() for curve in responses.containers}
    assert means == {"Separate": [15, 30], "SWARM": [20, 40]}
    names = [text.get_text() for text in tokens.get_yticklabels()]
    assert set(names) == {"SWARM", "Separate", "Mine"}
    widths = [bar.get_width() for container in tokens.containers for bar in container]
    by_name = {name: widths[2 * number : 2 * number + 2] for number, name in enumerate(names)}
    assert by_name["SWARM"] == [400, 320]
    assert by_name["Separate"] == [300, 240]
    assert by_name["Mine"][0] == 500  # a scheme that nobody has heard of, and that was not simulated


def test_the_card_says_who_wins_and_by_how_much():
    lines = helix.card(results_of(all_rows()), LABELS).splitlines()
    start = lines.index("## a small model, one place")
    table = {line.split("  ")[0]: line for line in lines[start + 3 : start + 8]}
    assert table["Separate"].split()[1:] == ["15*", "30*", "300", "240", "0.3*"]
    assert table["SWARM"].split()[1:] == ["20", "40", "400*", "320*", "0.4"]
    assert table["lead of the best over the next"].count(" 33 %") == 5
