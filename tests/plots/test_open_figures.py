"""Figures of rows with choices that no figure knows: new schemes, policies and models have labels and looks."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.drawing.curves import FLOORS, curves_of, distinguishing_axes, mean_responses
from plots.drawing.style import LOOKS, looks_of
from plots.figures.beyond import fig8_load, scale
from plots.figures.paper import fig1, fig3a, fig3b, fig4, fig6b, fig8, table1
from plots.files import try_to_draw
from store.tables.labels import Labels, joined
from tests.support.made_up_results import results_of

SETS, LOADS, DRAWS = ("paper", "simulator"), ("0.3", "0.6"), 2
LABELS = Labels(
    {
        "dispatch": {"jffc": "JFFC", "mine": "My policy"},
        "algorithm": {"proposed": "Proposed", "petals": "PETALS (backoff)", "mine_a": "Scheme A"},
        "placement": {"gbp_cr": "GBP-CR", "random_feasible": "random placements", "mine": "My placement"},
        "tuning": {"exact_mean": "exact", "mine": "My tuning"},
        "evaluator": {"simulation": "simulation", "exact": "exact", "theorem4": "Theorem 4", "fluid": "fluid limit"},
        "service": {"independent": "equation (2)", "steps": "step queues", "mine": "My service"},
    }
)


def rows_of(*points, metric="response_mean_s", axis="demand.load", values=LOADS):
    """Return rows of points, with all values different.

    A point has the values of all axes other than constants and `axis`, and may have a metric.
    """
    numbers = itertools.count(1)
    cells = itertools.product(points, SETS, values, range(DRAWS))
    return pd.DataFrame(
        {
            "status": "ok",
            "draws": DRAWS,
            "at": np.nan,
            "replication": 0,
            "metric": metric,
            "constants": constants,
            axis: value,
            "draw": draw,
        }
        | point
        | {"value": float(next(numbers)), "point": f"{point} {constants} {value}"}
        for point, constants, value, draw in cells
    )


def policies(*names, evaluator="simulation"):
    return [{"dispatch": name, "evaluator": evaluator} for name in names]


def schemes(*names, evaluator="simulation", **settings):
    return [{"algorithm": name, "evaluator": evaluator, **settings} for name in names]


def legend(figure):
    """Close a figure and return the labels in its legend."""
    plt.close(figure)
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(axes):
    """Return the lengths of a panel's curves, by label."""
    return {curve.get_label(): len(curve.lines[0].get_xdata()) for curve in axes.containers}


def looks_in(figure):
    """Return the looks of the first panel's curves, by label.

    A look is a colour, a marker and dashes.
    """
    lines = {curve.get_label(): curve.lines[0] for curve in figure.axes[0].containers}
    return {name: (line.get_color(), line.get_marker(), line.get_linestyle()) for name, line in lines.items()}


def test_new_policy_is_drawn_in_both_panels_with_its_label():
    figure = fig3a.draw(results_of(rows_of(*policies("jffc", "mine"), *policies("jffc", evaluator="exact"))), LABELS)
    assert legend(figure) == ["JFFC", "My policy", "JFFC, exact"]
    above, below = figure.axes[0], figure.axes[2]
    assert drawn(above) == {"JFFC": 2, "My policy": 2, "JFFC, exact": 2}
    assert drawn(below) == {"JFFC": 2, "My policy": 2}


def test_without_jffc_only_the_means_are_drawn():
    figure = fig3a.draw(results_of(rows_of(*policies("mine", "sed"))), LABELS)
    plt.close(figure)
    assert len(figure.axes) == len(SETS)
    assert drawn(figure.axes[0]) == {"sed": 2, "My policy": 2}


def test_loss_is_paired_with_the_same_service_model():
    rows = rows_of(
        *(point | {"service": name} for name in ("independent", "steps") for point in policies("jffc", "mine"))
    )
    figure = fig3a.draw(results_of(rows), LABELS)
    plt.close(figure)
    names = [f"{policy}, {service}" for policy in ("JFFC", "My policy") for service in ("equation (2)", "step queues")]
    assert set(drawn(figure.axes[2])) == set(names)
    losses = {curve.get_label(): curve.lines[0].get_ydata().tolist() for curve in figure.axes[2].containers}
    assert [losses[name] for name in names if "JFFC" in name] == [[0, 0]] * 2
    assert len(set(looks_in(figure).values())) == 4


def test_new_schemes_have_looks_of_their_own():
    figure = fig8_load.draw(results_of(rows_of(*schemes("proposed", "petals", "mine_a", "mine_b"))), LABELS)
    looks = looks_in(figure)
    assert list(looks) == ["Proposed", "PETALS (backoff)", "Scheme A", "mine_b"]
    assert looks["Proposed"] == (LOOKS["proposed"]["color"], "o", "-")
    for part in zip(*looks.values(), strict=True):
        assert len(set(part[:2])) == 2
    assert len({colour for colour, *_ in looks.values()}) == len({marker for _, marker, _ in looks.values()}) == 4
    assert "Scheme A" in legend(figure)


def test_panel_without_points_stays_empty():
    points = [point | {"cluster.fast_share": share} for share in ("0.1", "0.2") for point in schemes("proposed")]
    rows = rows_of(*points, axis="cluster.server_count", values=("10", "20"))
    figure = fig8.draw(results_of(rows[(rows["constants"] == "paper") | (rows["cluster.fast_share"] == "0.2")]), LABELS)
    plt.close(figure)
    assert [axes.axison for axes in figure.axes] == [True, True, False, True]
    assert "20%" in figure.axes[3].get_title()


@pytest.mark.parametrize("count", [1, 9, 60])
def test_looks_are_all_different_for_any_number_of_curves(count):
    names = ["proposed", *(f"mine{number}" for number in range(count))]
    looks = looks_of({name: name for name in names}, LOOKS)
    assert looks["proposed"] == LOOKS["proposed"]
    assert len({(look["color"], look["marker"]) for look in looks.values()}) == len(names)
    assert looks == looks_of({name: name for name in names}, LOOKS)


def test_one_curve_for_each_evaluator_and_mean_response():
    bounds = [rows_of({"evaluator": "theorem4"}, metric=f"response_{end}_s") for end in ("lower", "upper")]
    others = [
        rows_of({"evaluator": "simulation"}, {"evaluator": "exact"}),
        rows_of({"evaluator": "simulation"}, metric="response_mean_half_width_s"),
        rows_of({"evaluator": "fluid"}, metric="fluid_response_s"),
        rows_of({"evaluator": "composition"}, metric="total_rate_per_s"),
    ]
    figure = fig3b.draw(results_of(pd.concat([*bounds, *others])), LABELS)
    assert legend(figure) == ["upper bound", "simulation", "exact", "lower bound", "fluid limit"]
    looks = looks_in(figure)
    assert looks["exact"][0] == "black"
    assert len(set(looks.values())) == 5


def test_new_profiles_have_looks_of_their_own_with_and_without_measured_points():
    names = ("a100_3g_40gb", "mine_a", "mine_b")
    lines = [
        rows_of(*({"profile": name} for name in names), metric=metric).assign(at=1.0)
        for metric in ("prefill_by_blocks_s", "prefill_by_input_s", "decode_by_output_s", "prefill_by_input_measured_s")
    ]
    rows = pd.concat(lines, ignore_index=True)
    figure = fig4.draw(results_of(rows[(rows["constants"] == "paper") & (rows["demand.load"] == "0.3")]), LABELS)
    plt.close(figure)
    shown = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert len({(line.get_color(), line.get_marker()) for line in shown}) == len(names)
    assert len({line.get_color() for line in figure.axes[1].lines}) == len(names)


def test_policy_that_is_refused_or_not_run_is_named_below_the_figure():
    rows = rows_of(*policies("jffc", "mine"))
    refused = {"constants": "paper", "dispatch": "mine", "evaluator": "simulation", "demand.load": "0.8"}
    refused |= {"status": "unstable", "draws": DRAWS, "point": "refused"}
    figure = fig3a.draw(
        results_of(rows[rows["demand.load"].ne("0.6") | rows["dispatch"].eq("jffc")], [refused]), LABELS
    )
    plt.close(figure)
    note = figure.legends[0].get_title().get_text()
    assert note == "unstable or infeasible in some draw: My policy at 0.8; not run: JFFC at 0.8, My policy at 0.6"


def test_marks_above_the_frame_count_refused_draws_of_points_that_were_run():
    rows = rows_of(*schemes("proposed", "mine_a"), values=("0.3", "0.6", "0.9"))
    partly = rows["algorithm"].eq("mine_a") & rows["demand.load"].eq("0.9")
    rows.loc[partly, "status"] = "unstable"
    rows = rows[~(partly & rows["draw"].eq(0)) & ~(rows["algorithm"].eq("mine_a") & rows["demand.load"].eq("0.6"))]
    refused = {"constants": "paper", "algorithm": "mine_a", "evaluator": "simulation", "demand.load": "0.6"}
    figure = fig8_load.draw(
        results_of(rows, [refused | {"status": "infeasible", "draws": DRAWS, "point": "refused"}]), LABELS
    )
    plt.close(figure)
    first, second = ({text.xy[0]: text.get_text() for text in axes.texts} for axes in figure.axes)
    assert {load: mark for load, mark in first.items() if "/" in mark} == {0.6: "2/2", 0.9: "1/2"}
    assert {load: mark for load, mark in second.items() if "/" in mark} == {0.9: "1/2"}  # 0.6 was not run here
    assert all(mark.endswith(" s") for mark in (*first.values(), *second.values()) if "/" not in mark)


@pytest.mark.parametrize("metric", FLOORS)
def test_floor_of_several_schemes_is_one_curve_if_it_is_the_same(metric):
    floor = rows_of(*schemes("proposed", evaluator="floor"), metric=metric)
    both = [floor, floor.assign(algorithm="mine_a", point=floor["point"] + " mine_a")]
    rows = pd.concat([rows_of(*schemes("proposed", "mine_a")), *both], ignore_index=True)
    assert legend(fig8_load.draw(results_of(rows), LABELS)) == ["Proposed", "Scheme A", "floor"]
    other = rows.assign(value=rows["value"].where(rows["metric"].ne(metric), np.arange(len(rows))))
    assert "not drawn: algorithm = proposed, mine_a" in try_to_draw(fig8_load.draw, results_of(other), LABELS)


def test_rows_without_any_curve_give_a_reason():
    rows = rows_of({"evaluator": "composition"}, metric="total_rate_per_s")
    assert "lack 'the metrics that it shows'" in try_to_draw(fig3b.draw, results_of(rows), LABELS)


def test_bounds_of_two_evaluators_have_different_labels():
    rows = [
        rows_of({"evaluator": name}, metric=f"response_{end}_s")
        for name in ("theorem4", "fluid")
        for end in ("lower", "upper")
    ]
    names = [curve.label for curve in curves_of(pd.concat(rows), LABELS, ["constants", "demand.load"]).curves]
    assert set(names) == {f"{name}, {end} bound" for name in ("Theorem 4", "fluid limit") for end in ("lower", "upper")}


def test_service_models_have_curves_of_their_own():
    points = [{"evaluator": "simulation", "service": name} for name in ("independent", "steps", "mine")]
    rows = rows_of(*points, {"evaluator": "exact", "service": np.nan})
    figure = fig3b.draw(results_of(rows), LABELS)
    names = [f"simulation, {service}" for service in ("equation (2)", "step queues", "My service")]
    assert set(legend(figure)) == {*names, "exact"}
    first = {curve.get_label(): curve.lines[0].get_ydata()[0] for curve in figure.axes[0].containers}
    mine = rows[(rows["service"] == "mine") & (rows["constants"] == "paper") & (rows["demand.load"] == "0.3")]
    assert first["simulation, My service"] == mine["value"].mean()


def test_any_axis_in_which_points_differ_makes_curves():
    points = [{"evaluator": "simulation", "tuning.capacity": value} for value in ("5", "7")]
    drawing = curves_of(mean_responses(rows_of(*points)), LABELS, ["constants", "demand.load"])
    assert [curve.label for curve in drawing.curves] == ["simulation, capacity = 5", "simulation, capacity = 7"]


def test_settings_of_a_choice_are_no_further_axes():
    points = [{"placement": "gbp_cr", "evaluator.trials": "1"}, {"placement": "mine", "evaluator.trials": "100"}]
    assert distinguishing_axes(rows_of(*points), ["constants", "demand.load", "placement"]) == []


def test_choices_with_the_same_label_have_separate_curves():
    labels = Labels({"algorithm": {"mine_a": "Mine", "mine_b": "Mine"}})
    drawing = curves_of(rows_of(*schemes("mine_a", "mine_b")), labels, ["constants", "demand.load"], "algorithm")
    assert [curve.label for curve in drawing.curves] == ["Mine (mine_a)", "Mine (mine_b)"]
    assert drawing.rows.groupby("curve")["algorithm"].unique().map(list).to_dict() == {
        "Mine (mine_a)": ["mine_a"],
        "Mine (mine_b)": ["mine_b"],
    }


def test_new_tuning_is_drawn():
    points = [{"tuning": "exact_mean"}, {"tuning": "mine"}]
    assert list(legend(fig6b.draw(results_of(rows_of(*points, metric="reserved_capacity")), LABELS))) == [
        "exact",
        "My tuning",
    ]


def test_new_placement_is_drawn_as_a_marker_or_a_box():
    points = [
        {"placement": name, "cluster.fast_share": "0", "demand.per_s": "0.2", "evaluator.trials": trials}
        for name, trials in (("random_feasible", "3"), ("gbp_cr", "1"), ("mine", "1"))
    ]
    rows = rows_of(*points, metric="job_servers", axis="cluster.server_count", values=("20",))
    several = rows[rows["evaluator.trials"] == "3"]
    trials = [several.assign(value=several["value"] + trial, at=float(trial)) for trial in (1, 2)]
    rows = pd.concat([rows.assign(at=0.0), *trials], ignore_index=True)
    labels = list(legend(fig1.draw(results_of(rows), LABELS)))
    assert [text.split(":")[0] for text in labels] == ["random placements of all draws", "GBP-CR", "My placement"]


def test_new_schemes_have_lines_below_the_published_ones():
    rows = rows_of(
        *schemes("proposed", "mine_a", evaluator="replay"), axis="workload.over_length", values=("untreated",)
    )
    table = table1.table(results_of(rows), LABELS)
    assert table["scheme"].unique().tolist() == ["PETALS (backoff)", "bprr", "jffc_only", "Proposed", "Scheme A"]
    line = table[(table["scheme"] == "Scheme A") & (table["time"] == "response")].iloc[0]
    assert line["mean (s), published"] == "–"
    assert line["mean (s), paper"].startswith("5.50")
    figure = table1.draw(results_of(rows), LABELS)
    assert "Scheme A" in [text.get_text() for text in figure.axes[0].texts]
    plt.close(figure)


def test_new_constants_have_columns_beside_the_published_ones():
    rows = rows_of(*schemes("proposed", evaluator="replay"), axis="workload.over_length", values=("untreated",))
    measured = rows[rows["constants"] == "paper"].assign(
        constants="measured_here", value=lambda paper: 2 * paper["value"]
    )
    own = pd.concat([rows, measured], ignore_index=True)
    line = table1.table(results_of(own), LABELS).query("scheme == 'Proposed' and time == 'response'").iloc[0]
    assert line["mean (s), paper"].startswith("1.50")
    assert line["mean (s), measured_here"].startswith("3.00")
    figure = table1.draw(results_of(own), LABELS)
    heads = [text.get_text() for text in figure.axes[0].texts]
    assert heads.count("simulated,\nmeasured_here") == len(table1.STATISTICS)
    plt.close(figure)


def test_costs_of_a_new_scheme_stage_and_tuning_are_drawn():
    known = {"evaluator.stage": "compose", "algorithm": "proposed", "tuning": "exact_mean", "demand.load": "0.7"}
    points = [known, known | {"tuning": "mine"}, known | {"algorithm": "mine_a"}, known | {"evaluator.stage": "guess"}]
    rows = rows_of(*points, metric="cpu_s", axis="cluster.server_count", values=("10", "20"))
    jobs = rows_of(known, metric="job_count", axis="cluster.server_count", values=("10", "20"))
    rows = pd.concat([rows, jobs])
    figure = scale.draw(results_of(rows[rows["constants"] == "paper"].drop(columns="constants")), LABELS)
    plt.close(figure)
    composing, evaluating = (
        [line for line in axes.lines if not line.get_label().startswith("_")] for axes in figure.axes[:2]
    )
    assert [line.get_label() for line in composing] == ["Proposed, exact", "Proposed, My tuning", "Scheme A"]
    assert [line.get_label() for line in evaluating] == ["guess"]
    assert len({line.get_color() for line in composing}) == 3


def test_labels_fall_back_to_the_value_and_join():
    assert Labels()("dispatch", "jffc") == "jffc"
    both = joined([Labels({"dispatch": {"jffc": "JFFC"}}), Labels({"dispatch": {"mine": "Mine"}})])
    assert [both("dispatch", name) for name in ("jffc", "mine", "other")] == ["JFFC", "Mine", "other"]
