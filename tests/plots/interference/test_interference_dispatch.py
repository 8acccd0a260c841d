"""The figure of dispatch has a panel for each system over load, and for each one over slots per chain."""

import numpy as np
import pandas as pd

from plots.figures.interference import interference_dispatch, interference_dispatch_trace
from tests.plots.interference.test_interference import (
    RATE,
    C,
    drawn,
    legend,
    marks_above,
    mean_response,
    means_in,
    rows_of,
)

POLICIES, LIMIT = ["jffc", "least_work", "mine"], "allocation.most_per_chain"
OVER_LOAD = rows_of({"model": ["large"], C: ["3", "7"], RATE: ["0.2", "0.4"], "dispatch": POLICIES}, mean_response)
OVER_SLOTS = rows_of(
    {"model": ["large"], C: ["7"], RATE: ["0.2"], LIMIT: ["4", "8"], "dispatch": POLICIES}, mean_response
)
OTHER = rows_of({"model": ["small"], RATE: ["1", "2"], "dispatch": POLICIES}, mean_response)


def test_systems_without_a_limit_come_first_and_titles_name_no_missing_value():
    figure = drawn(interference_dispatch, pd.concat([OVER_SLOTS, OVER_LOAD, OTHER], ignore_index=True))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["large, c = 3", "large, c = 7", "small", "large, c = 7, λ = 0.2/s"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["arrival rate λ (1/s)"] * 3 + ["most slots per chain (jobs)"]
    assert sorted(legend(figure)) == sorted(POLICIES)
    for axes in figure.axes:
        assert means_in(axes) == {policy: [11.0, 11.0] for policy in POLICIES}
    assert {text.get_text() for text in figure.axes[-1].get_xticklabels()} == {"4", "8"}


def test_refused_rates_are_marked_within_the_frame():
    refused = OVER_LOAD[RATE].eq("0.4") & OVER_LOAD[C].eq("7")
    points = OVER_LOAD[refused].drop_duplicates("point").to_dict("records")
    lost = [{key: point[key] for key in ("point", "draws", "model", C, RATE, "dispatch")} for point in points]
    figure = drawn(interference_dispatch, OVER_LOAD[~refused], [point | {"status": "unstable"} for point in lost])
    axes = next(axes for axes in figure.axes if axes.get_title() == "large, c = 7")
    assert marks_above(axes) == {(0.4, "3/3")}
    assert axes.get_xlim()[0] < 0.4 < axes.get_xlim()[1]


def test_a_trace_names_its_rate_or_the_kind_of_demand():
    both = {"algorithm": ["whole"], LIMIT: ["3", "6"], "dispatch": POLICIES}
    recorded, sped_up = (rows_of(both | axes, mean_response) for axes in ({"demand": ["own"]}, {"demand": ["set"]}))
    rows = pd.concat([recorded.assign(**{RATE: np.nan}), sped_up.assign(**{RATE: "2.5"})], ignore_index=True)
    rows["point"] = rows["point"] + rows["demand"]
    figure = drawn(interference_dispatch_trace, rows)
    assert [axes.get_title() for axes in figure.axes] == ["whole, own", "whole, λ = 2.5/s"]
