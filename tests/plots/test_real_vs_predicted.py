"""Predictions beside real runs, on made-up rows: figures and card show the numbers of the rows."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from matplotlib import pyplot as plt

from evaluators.points.case import Draw
from plots.drawing.predicted import (
    MEASURED,
    MODEL,
    STEPS,
    THEORY,
    compute_shares,
    errors,
    kinds_in,
    means,
    share_words,
    with_kinds,
)
from plots.figures.beyond import model_limit, real_vs_predicted, real_vs_predicted_h200, real_vs_predicted_trace
from plots.files import Subject, write_card, write_figure
from store.tables.labels import Labels
from sweep.expansion.commands import Expansion
from sweep.instantiate import instantiated
from sweep.sweeper import PointsSweeper
from system import InputError
from tests.support.made_up_results import results_of
from tests.support.project import CONF
from workloads.synthetic import is_poisson_exponential

LOADS, CAPACITIES, RTTS = (0.3, 0.9), (3, 6), (0.0, 0.005)
LABELS = Labels(
    {
        "service": {"independent": "equation (2)", "steps": "step queues", "batches": "batches"},
        "evaluator": {"exact": "exact", "replay": "replay", "runtime": "measured"},
    }
)
# The evaluator of each kind, and its service model if it has one.
KINDS = {
    "exact": ("exact", np.nan),
    "independent": ("replay", "independent"),
    "steps": ("replay", "steps"),
    "batches": ("replay", "batches"),
    "runtime": ("runtime", np.nan),
}
# The mean service time of the run, and that of each kind as a share of it. The mean response of the run is twice the
# mean service of the run, and that of each kind is a share of it.
SERVICE_S = 0.2
SERVICE = {"exact": 0.5, "independent": 0.6, "steps": 0.95, "runtime": 1.0}
RESPONSE = {"exact": 0.25, "independent": 0.3, "steps": 0.9, "runtime": 1.0}
COMPUTE_S, COMMUNICATION_S = 0.06, {0.0: 0.015, 0.005: 0.06}


def numbers(kind, rtt_s):
    """Yield (metric, at, value) of one point."""
    service_s, response_s = SERVICE_S * SERVICE.get(kind, 0.8), 2 * SERVICE_S * RESPONSE.get(kind, 0.7)
    yield from (("service_mean_s", np.nan, service_s), ("response_mean_s", np.nan, response_s))
    yield "waiting_mean_s", np.nan, response_s - service_s
    yield from (("response_quantile_s", q, response_s * (1 + q)) for q in (0.5, 0.95, 0.99))
    if kind in ("steps", "runtime"):
        yield from (("compute_mean_s", np.nan, COMPUTE_S), ("communication_mean_s", np.nan, COMMUNICATION_S[rtt_s]))
        yield from (("server_utilisation", float(server), 0.5 * server) for server in range(2))
    if kind == "runtime":
        yield from (("tokens_identical", np.nan, 1.0), ("failed_jobs", np.nan, 0.0))


def made_up(kinds=tuple(SERVICE), draws=1):
    """Return rows such as those of the experiment real_vs_predicted."""
    cells = itertools.product(RTTS, CAPACITIES, LOADS, kinds, range(draws))
    return pd.DataFrame(
        {
            "point": f"{rtt_s} {capacity} {load} {kind}",
            "network.rtt_s": rtt_s,
            "tuning.capacity": capacity,
            "demand.load": load,
            "workload": "drawn_means" if kind == "exact" else "drawn_lengths",
            "evaluator": KINDS[kind][0],
            "evaluator.warm_up": np.nan if kind == "exact" else "0.1",
            "service": KINDS[kind][1],
            "service.handling_s": "0.0005" if kind == "steps" else np.nan,
            "status": "ok",
            "draws": draws,
            "draw": draw,
            "replication": 0,
            "metric": metric,
            "at": coordinate,
            "value": value * (1 + 0.1 * draw),
        }
        for rtt_s, capacity, load, kind, draw in cells
        for metric, coordinate, value in numbers(kind, rtt_s)
    )


def kinds(rows):
    return kinds_in(with_kinds(rows), LABELS)


def one_value(frame, **where):
    chosen = frame[np.logical_and.reduce([frame[key] == value for key, value in where.items()])]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_kinds_that_differ_within_a_cell_are_not_averaged():
    """Check which settings make a kind of their own.

    A setting that differs within a cell does; a setting that differs only between cells does not.
    """
    rows = made_up()
    steps = rows[rows["service"] == "steps"]
    slower = steps.assign(**{"service.handling_s": "0.1", "value": 2 * steps["value"]})
    both = pd.concat([rows, slower], ignore_index=True)
    assert [kind.name for kind in kinds(both)] == [
        THEORY,
        MODEL,
        "steps, handling_s=0.0005",
        "steps, handling_s=0.1",
        MEASURED,
    ]
    assert [kind.label for kind in kinds(both)][2:4] == [
        "step queues, handling_s=0.0005",
        "step queues, handling_s=0.1",
    ]
    table = means(with_kinds(both))
    once, twice = (table[f"steps, handling_s={handling_s}"].dropna().to_numpy() for handling_s in ("0.0005", "0.1"))
    assert once.size > 0
    assert twice == pytest.approx(2 * once)
    at_one_rtt = rows["service"].eq("steps") & rows["network.rtt_s"].eq(0)
    assert kinds(rows.assign(**{"service.handling_s": rows["service.handling_s"].mask(at_one_rtt, "0.1")})) == kinds(
        rows
    )


def test_measurement_under_a_service_model_is_not_its_prediction():
    rows = made_up()
    run = rows["evaluator"] == "runtime"
    assert with_kinds(rows.assign(service=rows["service"].mask(run, "steps"))).equals(
        with_kinds(rows).assign(service=lambda known: known["service"].mask(known["kind"] == MEASURED, "steps"))
    )
    twice = pd.concat([rows, rows[run].assign(service="steps")], ignore_index=True)
    with pytest.raises(InputError, match=r"service = nan, steps: predictions can be compared with one run only"):
        with_kinds(twice)


def test_run_under_a_rule_is_compared_with_predictions_under_that_rule():
    rows = made_up()
    rows = rows[rows["service"].eq("steps") | rows["evaluator"].eq("runtime")]
    doubled = [
        rows.assign(**{"service": "steps", "service.batching": batching, "value": factor * rows["value"]})
        for batching, factor in (("serial", 1), ("decode", 2))
    ]
    both = pd.concat(doubled, ignore_index=True)
    assert [kind.name for kind in kinds(both)] == [STEPS, MEASURED]
    table = means(with_kinds(both))
    cell = {"network.rtt_s": 0.0, "tuning.capacity": 6, "demand.load": 0.9, "metric": "service_mean_s"}
    for batching, factor in (("serial", 1), ("decode", 2)):
        services_s = one_value(table, **cell, **{"service.batching": batching})
        assert [services_s[kind] for kind in (STEPS, MEASURED)] == pytest.approx([0.19 * factor, 0.2 * factor])


def test_each_cell_has_its_predictions_and_its_measurement():
    table = means(with_kinds(made_up()))
    assert [kind.name for kind in kinds(made_up())] == [THEORY, MODEL, STEPS, MEASURED]
    cell = {"network.rtt_s": 0.0, "tuning.capacity": 6, "demand.load": 0.9}
    services_s = one_value(table, **cell, metric="service_mean_s")
    assert [services_s[kind] for kind in (THEORY, MODEL, STEPS, MEASURED)] == pytest.approx([0.1, 0.12, 0.19, 0.2])
    relative = one_value(errors(table, kinds(made_up())), **cell, metric="response_quantile_s", at=0.95)
    assert [relative[kind] for kind in (THEORY, MODEL, STEPS)] == pytest.approx([-0.75, -0.7, -0.1])


def test_no_mean_over_some_of_the_draws():
    rows = made_up(draws=2)
    services = means(with_kinds(rows)).query("metric == 'service_mean_s'")
    assert services[MEASURED].tolist() == pytest.approx([1.05 * SERVICE_S] * 8)
    assert means(with_kinds(rows.assign(draws=3))).empty


def test_share_of_computation_excludes_waiting_for_other_jobs():
    for names in (tuple(SERVICE), ("runtime",), ("steps",)):
        rows = made_up(names)
        shares = compute_shares(means(with_kinds(rows)), kinds(rows)).groupby("network.rtt_s").unique()
        assert [share.tolist() for share in shares] == [pytest.approx([0.8]), pytest.approx([0.5])]
    rows = made_up(("exact", "independent"))
    assert compute_shares(means(with_kinds(rows)), kinds(rows)).empty


def test_shares_of_several_cells_are_given_from_least_to_greatest():
    rows = made_up(("steps",))
    assert share_words(compute_shares(means(with_kinds(rows)), kinds(rows))) == "50% to 80%"
    one = rows[rows["network.rtt_s"] == 0]
    assert share_words(compute_shares(means(with_kinds(one)), kinds(one))) == "80%"


def test_card_has_errors_and_counts_those_inside_the_bands():
    text = real_vs_predicted.card(results_of(made_up()), LABELS)
    lines = text.splitlines()
    steps = "mean service -5% to -5% off, 8 of 8 within 10%; mean response -10% to -10% off, 8 of 8 within 15%"
    assert f"- step queues: {steps}" in lines
    assert "- equation (2): mean service -40% to -40% off, 0 of 8 within 10%" in text
    cell = lines[lines.index("network.rtt_s = 0.005, tuning.capacity = 3, demand.load = 0.3") :]
    assert next(line for line in cell if line.startswith("mean service")).split()[-7:] == [
        *("0.1", "-50.0%", "0.12", "-40.0%", "0.19", "-5.0%", "0.2")
    ]
    assert next(line for line in cell if "server 1" in line).split()[-3:] == ["0.5", "+0.0%", "0.5"]
    assert "server 0" not in text  # it hosts no blocks
    assert next(line for line in cell if "whole model" in line).split()[-1] == "1"


def test_card_is_written_even_if_the_figure_lacks_an_axis(tmp_path):
    rows, folder = made_up().query("`demand.load` == 0.3").drop(columns="demand.load"), tmp_path / "new"
    subject = Subject("real_vs_predicted", {"fixed": [], "draws": 1}, results_of(rows), "real_vs_predicted")
    assert "lack 'demand.load'" in write_figure(subject, folder).outcome
    assert write_card(subject, folder) == [folder / "real_vs_predicted.md"]
    assert (folder / "real_vs_predicted.md").is_file()


def test_card_without_a_run_has_no_errors():
    text = real_vs_predicted.card(results_of(made_up(("exact", "independent"))), LABELS)
    assert "Nothing was measured yet." in text
    assert "off" not in text


def test_errors_are_drawn_over_load_for_each_capacity_and_share():
    figure = model_limit.draw(results_of(made_up()), LABELS)
    assert len(figure.axes) == 4
    assert ["80%" in axes.get_title() for axes in figure.axes] == [True, False, True, False]
    for axes, model, steps in zip(figure.axes, (-0.4, -0.4, -0.7, -0.7), (-0.05, -0.05, -0.1, -0.1), strict=True):
        drawn = {line.get_label(): line.get_ydata() for line in axes.lines if "c =" in str(line.get_label())}
        assert set(drawn) == {f"{kind}, c = {c}" for kind in ("equation (2)", "step queues") for c in CAPACITIES}
        for label, values in drawn.items():
            assert values == pytest.approx([model if label.startswith("equation (2)") else steps] * 2)
    plt.close(figure)


def test_without_a_run_the_step_queues_are_the_reference():
    figure = model_limit.draw(results_of(made_up(("independent", "steps"))), LABELS)
    drawn = [line.get_ydata()[0] for line in figure.axes[0].lines if "c =" in str(line.get_label())]
    assert drawn == pytest.approx([0.6 / 0.95 - 1] * 2)
    assert "step queues, as nothing was run" in figure.legends[0].get_title().get_text()
    plt.close(figure)


def test_times_are_drawn_over_load():
    figure = real_vs_predicted.draw(results_of(made_up(draws=2)), LABELS)
    first = {container.get_label(): container for container in figure.axes[0].containers}
    assert list(first) == ["exact", "equation (2)", "step queues", "measured"]
    assert first["measured"].lines[0].get_ydata() == pytest.approx([1.05 * 0.4] * 2)
    assert len(figure.axes) == 4 * len(RTTS) * len(CAPACITIES)
    quantiles = [container.lines[0].get_ydata()[0] for container in figure.axes[4].containers[-3:]]
    assert quantiles == pytest.approx([1.05 * 0.4 * (1 + q) for q in (0.5, 0.95, 0.99)])
    plt.close(figure)


@pytest.mark.parametrize(
    ("module", "axis", "values"),
    [
        (real_vs_predicted_trace, "tuning.capacity", CAPACITIES),
        (real_vs_predicted_h200, "algorithm", ("proposed", "petals")),
    ],
)
def test_statistics_are_drawn_side_by_side(module, axis, values):
    rows = made_up(("independent", "steps", "runtime"))
    cell = rows[(rows["network.rtt_s"] == 0) & (rows["demand.load"] == 0.3)].drop(
        columns=["network.rtt_s", "demand.load"]
    )
    rows = cell.assign(**{axis: cell["tuning.capacity"].map(dict(zip(CAPACITIES, values, strict=True)))})
    figure = module.draw(results_of(rows), LABELS)
    assert len(figure.axes) == 2
    steps = next(curve for curve in figure.axes[1].containers if curve.get_label() == "step queues")
    response_s, service_s = 0.4 * 0.9, 0.2 * 0.95
    assert steps.lines[0].get_ydata() == pytest.approx(
        [response_s, 1.5 * response_s, 1.95 * response_s, 1.99 * response_s, response_s - service_s, service_s]
    )
    plt.close(figure)


def test_new_service_model_is_one_more_kind():
    rows = made_up((*SERVICE, "batches"))
    assert [kind.label for kind in kinds(rows)] == ["exact", "equation (2)", "step queues", "batches", "measured"]
    looks = [(kind.look["color"], kind.look.get("marker")) for kind in kinds(rows)]
    assert len(set(looks)) == len(looks)
    text = real_vs_predicted.card(results_of(rows), LABELS)
    assert "- batches: mean service -20% to -20% off, 0 of 8 within 10%" in text
    assert "off batches" in text
    figure = model_limit.draw(results_of(rows), LABELS)
    drawn = {line.get_label(): line for line in figure.axes[0].lines if "c =" in str(line.get_label())}
    assert drawn["batches, c = 3"].get_ydata() == pytest.approx([-0.2] * 2)
    assert len({line.get_linestyle() for line in drawn.values()}) == 3
    plt.close(figure)
    figure = real_vs_predicted.draw(results_of(rows), LABELS)
    assert "batches" in [container.get_label() for container in figure.axes[0].containers]
    plt.close(figure)


@pytest.fixture(scope="module")
def expand():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
    return Expansion(loader, "config").sweeps


PREDICTIONS = "evaluator=replay,exact"


def test_real_runs_are_swept_by_a_single_worker(expand):
    sweeps = expand(["experiment=real_vs_predicted,fig3b", "data=embedded", "evaluator=exact"])
    assert [sweep.workers for sweep in sweeps] == [1, None]
    assert PointsSweeper(4)._worker_count(sweeps) == 1
    assert PointsSweeper(4)._worker_count(sweeps[1:]) == 4


def test_both_figures_show_the_same_points(expand):
    one, other = expand(["experiment=real_vs_predicted,model_limit", PREDICTIONS])
    assert [point.identity for point in one.points] == [point.identity for point in other.points]
    assert {point.axes["evaluator"] for point in one.points} == {"replay", "exact"}


def test_theory_has_exponential_jobs_with_the_means_and_rates_of_the_run(expand):
    (sweep,) = expand(["experiment=real_vs_predicted", PREDICTIONS])
    cases = {kind: [] for kind in ("replay", "exact")}
    for point in sweep.points:
        if point.axes.get("service") != "steps":
            cases[point.axes["evaluator"]].append(instantiated(point.case))
    for run, theory in zip(cases["replay"], cases["exact"], strict=True):
        assert is_poisson_exponential(theory.workload)
        assert Draw(theory, 0).system.mean_job == Draw(run, 0).system.mean_job
        assert Draw(theory, 0).system.arrival_rate_per_s == Draw(run, 0).system.arrival_rate_per_s


def test_only_real_runs_are_placed_on_the_gpu(expand):
    (sweep,) = expand(["experiment=real_vs_predicted_h200", "workload=synthetic_code"])
    devices = {point.axes["evaluator"]: point.case["evaluator"].get("device") for point in sweep.points}
    assert devices == {"replay": None, "runtime": "cuda"}
    assert len(sweep.points) == 12
    placed = ["evaluator.device", "evaluator.engine", "evaluator.dtype", "evaluator.sm_counts"]
    assert sweep.axes == ["algorithm", "evaluator", "service", *placed]
    assert all(("evaluator.device" in point.axes) == (point.axes["evaluator"] == "runtime") for point in sweep.points)


def test_precision_sets_the_number_of_requests(expand):
    counts = [
        expand(["experiment=real_vs_predicted", f"precision={precision}", PREDICTIONS])[0]
        .points[0]
        .case["workload"]["job_count"]
        for precision in ("quick", "full")
    ]
    assert 10 <= counts[0] < counts[1] / 5
