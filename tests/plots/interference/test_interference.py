"""Figures of requests that slow each other draw what is in the rows, and mark what has no mean."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.figures.interference import (
    interference_best_c,
    interference_capacity,
    interference_chunks,
    interference_response,
)
from plots.files import try_to_draw
from store.tables.labels import Labels
from tests.support.made_up_results import results_of

DRAWS = 3
LABELS = Labels(
    {
        "service": {"independent": "equation (2)", "steps": "step queues", "mine": "My service"},
        "tuning": {"exact_mean": "equation (2)", "mine": "My tuning"},
        "network": {"european": "European network", "mine": "My network"},
    }
)
SERVICES = ("step queues", "My service")
C, RATE = "tuning.capacity", "demand.per_s"
CHUNK, BUDGET = "service.prefill_chunk_tokens", "service.budget_tokens"


def rows_of(axes, measured):
    """Return rows of all combinations of the values of axes.

    `measured` yields metric, coordinate and value for a point and a draw.
    """
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    rows = [
        {"status": "ok", "draws": DRAWS, "replication": 0, "draw": draw, "point": str(point), **point}
        | {"metric": metric, "at": at, "value": value}
        for point in points
        for draw in range(DRAWS)
        for metric, at, value in measured(point, draw)
    ]
    return pd.DataFrame(rows)


def mean_response(point, draw):
    yield "response_mean_s", np.nan, 10.0 + draw


def saturation(point, draw):
    c = float(point[C])
    yield "total_rate_per_s", np.nan, c + draw
    yield "saturation_rate_per_s", np.nan, c / 2 + draw
    if point["service"] != "independent":
        yield from (("server_utilisation", server, (0.1 + 0.1 * draw) * (server + 1)) for server in range(3))


def drawn(module, rows, refused=()):
    figure = module.draw(results_of(rows, refused), LABELS)
    plt.close(figure)
    return figure


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def means_in(axes):
    return {curve.get_label(): curve.lines[0].get_ydata().tolist() for curve in axes.containers}


def marks_above(axes):
    return {(text.xy[0], text.get_text()) for text in axes.texts}


def test_capacity_has_the_total_rate_once_and_a_curve_for_every_service():
    services = ["independent", "steps", "mine"]
    figure = drawn(interference_capacity, rows_of({"service": services, C: ["1", "3"]}, saturation))
    assert legend(figure) == ["equation (4)", "equation (2)", "step queues", "My service"]
    rates, use = figure.axes
    assert means_in(rates) == {"equation (4)": [2.0, 4.0]} | {name: [1.5, 2.5] for name in legend(figure)[1:]}
    assert means_in(use) == {name: pytest.approx([0.6, 0.6]) for name in SERVICES}


def test_capacity_has_panels_for_every_further_axis():
    rows = rows_of({"service": ["steps", "mine"], "network": ["european", "mine"], C: ["1", "3"]}, saturation)
    figure = drawn(interference_capacity, rows)
    assert [axes.get_title() for axes in figure.axes] == ["European network"] * 2 + ["My network"] * 2


def test_response_marks_unstable_cells_and_draws_no_mean_there():
    axes = {RATE: ["0.2", "0.8"], C: ["1", "3"], "service": ["independent", "mine"]}
    rows = rows_of(axes, mean_response)
    partly = rows[RATE].eq("0.8") & rows[C].eq("3") & rows["service"].eq("mine")
    rows.loc[partly, "status"] = "unstable"
    whole = rows[RATE].eq("0.8") & rows[C].eq("1") & rows["service"].eq("independent")
    refused = rows[whole].iloc[0][["point", *axes]].to_dict() | {"status": "unstable", "draws": DRAWS}
    figure = drawn(interference_response, rows[~whole & ~(partly & rows["draw"].eq(0))], [refused])
    low, high = figure.axes
    assert (low.get_title(), high.get_title()) == ("λ = 0.2/s", "λ = 0.8/s")
    assert marks_above(low) == set()
    assert marks_above(high) == {(1.0, "3/3"), (3.0, "1/3")}
    assert means_in(low) == {"equation (2)": [11.0, 11.0], "My service": [11.0, 11.0]}
    assert means_in(high) == {"equation (2)": [11.0], "My service": [11.0]}
    assert low.get_ylim() == high.get_ylim()


def test_response_has_as_many_panels_as_rates():
    rates = [f"0.{digit}" for digit in range(1, 6)]
    figure = drawn(interference_response, rows_of({RATE: rates, C: ["1"], "service": ["mine"]}, mean_response))
    assert [axes.get_title() for axes in figure.axes] == [f"λ = {rate}/s" for rate in rates]


def test_chunks_have_a_curve_for_every_size_from_large_to_small():
    both = {"network": ["european", "mine"], RATE: ["0.2"]}
    chunks = rows_of(both | {"service": ["steps"], CHUNK: ["64", "700", "128"]}, mean_response)
    budgets = rows_of(both | {"service": ["mine"], BUDGET: ["64", "700"]}, mean_response)
    figure = drawn(interference_chunks, pd.concat([chunks, budgets], ignore_index=True))
    assert legend(figure) == [f"{tokens} tokens at once" for tokens in (700, 128, 64)]
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"{network}, {service}" for network in LABELS.by_axis["network"].values() for service in SERVICES]
    assert [len(means_in(axes)) for axes in figure.axes] == [3, 3, 3, 3]
    assert means_in(figure.axes[1])["128 tokens at once"] == []
    colours = {tuple(curve.lines[0].get_color()) for curve in figure.axes[0].containers}
    assert len(colours) == 3


def test_budget_beside_chunks_makes_further_curves():
    axes = {"service": ["mine"], CHUNK: ["64", "700"], BUDGET: ["700", "900"], RATE: ["0.2"]}
    figure = drawn(interference_chunks, rows_of(axes, mean_response))
    assert len(legend(figure)) == 4


def test_point_without_chunks_and_budget_comes_first():
    chunks = rows_of({"service": ["mine"], CHUNK: ["64", "700"], RATE: ["0.2"]}, mean_response)
    plain = rows_of({"service": ["mine"], RATE: ["0.2"]}, mean_response)
    figure = drawn(interference_chunks, pd.concat([chunks, plain], ignore_index=True))
    assert legend(figure) == ["no limit stated", "700 tokens at once", "64 tokens at once"]


def test_rows_without_chunks_say_what_they_lack():
    rows = rows_of({"service": ["mine"], RATE: ["0.2", "0.3"]}, mean_response)
    assert "lack 'service.prefill_chunk_tokens'" in try_to_draw(interference_chunks.draw, results_of(rows), LABELS)


def choice(point, draw):
    factor = {"exact_mean": 1.0, "simulated_steps": 0.75, "mine": 0.5 + 0.1 * draw}[point["tuning"]]
    if point["evaluator"] == "simulation":
        yield "response_mean_s", np.nan, (10.0 + 5 * draw) * factor
    else:
        yield "reserved_capacity", np.nan, 2.0 + draw


CHOICES = {
    "demand.load": ["0.2", "0.6"],
    "tuning": ["exact_mean", "simulated_steps", "mine"],
    "evaluator": ["composition", "simulation"],
}


def test_best_c_has_the_chosen_c_the_times_and_changes_of_times_paired_by_draw():
    figure = drawn(interference_best_c, rows_of(CHOICES, choice))
    names = ["equation (2)", "simulated_steps", "My tuning"]
    assert sorted(legend(figure)) == sorted(names)
    chosen, times, changes = figure.axes
    assert means_in(chosen) == {name: [3.0, 3.0] for name in names}
    assert means_in(times)["simulated_steps"] == pytest.approx([11.25, 11.25])
    assert means_in(changes) == {"simulated_steps": pytest.approx([-0.25] * 2), "My tuning": pytest.approx([-0.4] * 2)}
    (interval,) = [curve for curve in changes.containers if curve.get_label() == "simulated_steps"]
    assert np.ptp(interval[2][0].get_segments()[0][:, 1]) == pytest.approx(0, abs=1e-12)  # the same change in each draw


def test_best_c_marks_an_unstable_choice_and_has_no_change_there():
    rows = rows_of(CHOICES, choice)
    simulated = rows["demand.load"].eq("0.6") & rows["evaluator"].eq("simulation")
    partly = simulated & rows["tuning"].eq("exact_mean")
    rows.loc[partly, "status"] = "unstable"
    _, times, changes = drawn(interference_best_c, rows[~(partly & rows["draw"].eq(0))]).axes
    assert marks_above(times) == {(0.6, "1/3")}
    assert means_in(changes)["My tuning"] == pytest.approx([-0.4])
    assert len(means_in(times)["My tuning"]) == 2


def test_best_c_has_a_line_of_panels_for_every_further_axis():
    figure = drawn(interference_best_c, rows_of(CHOICES | {"network": ["european", "mine"]}, choice))
    assert [axes.get_title() for axes in figure.axes] == ["European network"] * 3 + ["My network"] * 3
