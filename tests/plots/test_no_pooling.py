"""Random sweeps over random axes: every number that is drawn is a mean over draws of one configuration, or of one pair.

Each point has numbers of its own, so that a mean over two points is no number of the sweep.
"""

import itertools
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.container import ErrorbarContainer
from scipy import stats

from evaluators.points.metrics import metric_meanings
from plots.drawing.comparison_card import card
from plots.drawing.generic import AUTOMATIC, draw
from plots.figures.beyond import model_limit, scale
from plots.figures.paper import table1
from plots.files import module_of, try_to_draw
from store.commands.card import means
from store.tables.labels import Labels
from store.tables.precision import widest_interval
from tests.support.made_up_results import results_of

NAN = float("nan")
SETS, LOADS = ("paper", "simulator"), (0.3, 0.6)
CURVE = (0.2, 0.95, 0.99)
RESPONSE = {"response_mean_s": (NAN,)}
TIMES = {f"{time}_mean_s": (NAN,) for time in ("response", "waiting", "service")}
QUANTILES = {f"{time}_quantile_s": CURVE for time in ("response", "waiting", "service")}
PROFILE = {f"{name}_s": (1.0, 2.0) for name in ("prefill_by_blocks", "prefill_by_input", "decode_by_output")}
REAL = {"evaluator": ("replay", "runtime"), "demand.load": LOADS, "network.rtt_s": (0.0,), "tuning.capacity": (3,)}


class Spec(NamedTuple):
    """The axes and metrics of an experiment, and how its numbers are made of those of points."""

    axes: dict
    metrics: dict
    paired_over: str = ""  # the axis in which two points of a pair differ
    pair: object = None  # from the values of the two by draw to that of the pair


SPECS = {
    "fig1": Spec(
        {"constants": SETS, "cluster.fast_share": (0.0, 0.2), "cluster.server_count": (20,), "demand.per_s": (0.2,)}
        | {"placement": ("gbp_cr", "mine")},
        {"job_servers": (0.0,)},
    ),
    "fig2": Spec(
        {"constants": SETS},
        {f"{name}_job_servers": (0.2, 0.9) for name in ("lower_bound", "ilp", "gca", "surrogate", "all_chains")},
    ),
    "fig3a": Spec(
        {"constants": SETS, "dispatch": ("jffc", "mine"), "demand.load": LOADS, "evaluator": ("simulation",)},
        RESPONSE,
        "dispatch",
        lambda mine, reference: mine - reference,
    ),
    "fig3b": Spec({"constants": SETS, "demand.load": LOADS, "evaluator": ("simulation", "exact")}, RESPONSE),
    "fig4": Spec({"profile": ("a100_3g_40gb", "mine")}, PROFILE),
    "fig5": Spec(
        {"constants": SETS},
        {"first_token_communication_s": (10.0, 20.0), "further_token_communication_s": (1.0, 2.0)},
    ),
    "fig6a": Spec({"constants": SETS, "tuning.capacity": (2, 7), "evaluator": ("simulation", "exact")}, RESPONSE),
    "fig6b": Spec(
        {"constants": SETS, "demand.load": LOADS, "tuning": ("surrogate", "mine")}, {"reserved_capacity": (NAN,)}
    ),
    "fig7": Spec(
        {"constants": SETS, "evaluator": ("gaps", "service_times")},
        dict.fromkeys(("mean_gap_s", "rate_per_s", "gap_cv", "longest_gap_s"), (NAN,))
        | {"gap_cdf": (0.2, 0.9), "chain1_service_cdf": (1.0, 2.0)}
        | {"service_time_mean_s": (1.0,), "service_time_cv": (1.0,)},
    ),
    "fig8": Spec(
        {"constants": SETS, "cluster.fast_share": (0.1, 0.2), "cluster.server_count": (10, 20)}
        | {"algorithm": ("proposed", "mine"), "evaluator": ("simulation",)},
        RESPONSE,
    ),
    "fig8_load": Spec(
        {"constants": SETS, "demand.load": LOADS, "algorithm": ("proposed", "mine"), "evaluator": ("simulation",)},
        RESPONSE,
    ),
    "azure_replay": Spec(
        {"workload.over_length": ("drop", "truncate")},
        TIMES | QUANTILES | {"load": (NAN,), "over_length_share": (NAN,)},
    ),
    "real_vs_predicted": Spec(REAL, TIMES | QUANTILES),
    "real_vs_predicted_trace": Spec({"tuning.capacity": (3, 6), "evaluator": ("replay", "runtime")}, TIMES | QUANTILES),
    "mine": Spec({"demand.load": LOADS, "algorithm": ("proposed", "mine"), "cluster.server_count": (20, 30)}, RESPONSE),
}
FURTHER = {
    "network": ("ripe_synthetic", "european"),
    "cluster.fast_servers": ("random", "nearest"),
    "workload.job_count": (100, 500),
    "workload": ("poisson", "bursty"),
    "placement": ("gbp_cr", "mine"),
    "profile": ("a100_3g_40gb", "mine"),
}


class Sweep(NamedTuple):
    """Made-up results, and the values of each point, metric and coordinate by draw."""

    results: object
    by_draw: dict
    points: list
    further: list


def random_sweep(spec, seed):
    """Return a sweep over an experiment's axes and others.

    A few points are left out.
    """
    rng = np.random.default_rng(seed)
    others = [axis for axis in FURTHER if axis not in spec.axes]
    further = list(rng.choice(others, rng.integers(1, 3), replace=False))
    axes = spec.axes | {axis: FURTHER[axis] for axis in further}
    every = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    points = [point for point in every if rng.random() < 0.9]
    draws, replications = int(rng.integers(2, 4)), int(rng.integers(1, 3))
    rows, by_draw = [], {}
    for number, point in enumerate(points):
        for metric, coordinates in spec.metrics.items():
            for at in coordinates:
                values = np.exp(rng.uniform(0, 3)) * (1 + 0.1 * rng.random((draws, replications)))
                by_draw[number, metric, at] = values.mean(axis=1)
                rows += [
                    {"point": f"{number:04d}", **point, "draw": draw, "replication": replication}
                    | {"metric": metric, "at": at, "value": value, "status": "ok", "draws": draws}
                    for (draw, replication), value in np.ndenumerate(values)
                ]
    return Sweep(results_of(pd.DataFrame(rows)), by_draw, points, further)


def interval(values):
    return values.mean(), stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)


def allowed(spec, sweep):
    """Return (mean, half-width) of each point and each pair."""
    numbers = [interval(values) for values in sweep.by_draw.values()]
    if spec.pair:
        for (number, metric, at), values in sweep.by_draw.items():
            for other, point in enumerate(sweep.points):
                if (other, metric, at) in sweep.by_draw and differ_only_in(
                    sweep.points[number], point, spec.paired_over
                ):
                    numbers.append(interval(spec.pair(values, sweep.by_draw[other, metric, at])))
    return np.array(numbers)


def differ_only_in(one, other, axis):
    return all(one[name] == other[name] for name in one if name != axis)


def drawn(figure):
    """Return (mean, half-width) of marks, and the numbers of bars."""
    intervals, others = [], []
    for axes in figure.axes:
        for container in axes.containers:
            if isinstance(container, ErrorbarContainer):
                line, _, bars = container
                heights = [np.ptp(ends[:, 1]) / 2 for ends in bars[0].get_segments()]
                intervals += list(zip(line.get_ydata(), heights, strict=True)) if line else []
            else:
                others += [bar.get_height() for bar in container]
    return np.array(intervals).reshape(-1, 2), np.array(others)


def lines_of(figure, name):
    """Return the numbers of lines without intervals.

    Those of the replay are times on x.
    """
    lines = [line for axes in figure.axes for line in axes.lines if not str(line.get_label()).startswith(("_", "expo"))]
    if name == "azure_replay":
        return np.concatenate([line.get_xdata() for line in lines])
    return np.concatenate([line.get_ydata() for line in lines]) if name in ("fig4", "fig7") else np.array([])


def assert_among(values, numbers):
    """Assert that each value is one of some numbers."""
    ordered = np.sort(numbers)
    index = np.clip(np.searchsorted(ordered, values), 1, ordered.size - 1)
    nearest = np.minimum(np.abs(ordered[index] - values), np.abs(ordered[index - 1] - values))
    assert (nearest < 1e-9).all(), values[nearest >= 1e-9]


def draw_any(name, results):
    draw_one = module_of(name).draw if name != "mine" else lambda *parts: draw(*parts, metric_meanings(), AUTOMATIC)
    return try_to_draw(draw_one, results, Labels())


REFUSING = ("real_vs_predicted", "real_vs_predicted_trace")  # others show further axes as curves or panels
PARTLY = (
    "azure_replay",
    "real_vs_predicted",
    "real_vs_predicted_trace",
    "fig7",
)  # they show some metrics and quantiles


@pytest.mark.parametrize("name", SPECS)
def test_every_number_in_a_figure_is_a_mean_of_one_configuration(name):
    """Check marks, intervals, and that all points are drawn.

    Otherwise check that a refusal names an axis that is not shown.
    """
    spec = SPECS[name]
    sweep = random_sweep(spec, [17, list(SPECS).index(name)])
    figure = draw_any(name, sweep.results)
    if isinstance(figure, str):
        assert name in REFUSING
        assert figure.startswith("not drawn: ")
        assert any(f"{axis} = " in figure for axis in sweep.further), figure
        return
    plt.close(figure)
    numbers, (intervals, others) = allowed(spec, sweep), drawn(figure)
    values = np.concatenate([intervals[:, 0], others, lines_of(figure, name)])
    assert values.size
    assert_among(values, numbers[:, 0])
    for mean, half_width in intervals:
        of_mean = numbers[np.abs(numbers[:, 0] - mean) < 1e-9]
        assert np.abs(of_mean[:, 1] - half_width).min() < 1e-9
    legends = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    written = re.findall(r"\d+\.\d\d(?!\d)", " ".join(legends))
    assert set(written) <= {f"{mean:.2f}" for mean in numbers[:, 0]}
    if name not in PARTLY:
        assert_among(np.array([values.mean() for values in sweep.by_draw.values()]), values)


def text_numbers(texts):
    """Return means with half-widths, such as 12.3 ± 0.4."""
    return [match[0] for text in texts for match in re.finditer(r"-?[\d.]+ ± [\d.]+", text)]


def assert_texts(texts, numbers):
    """Assert that texts are means with half-widths, rounded."""
    assert texts
    for text in texts:
        digits = len(text.split(" ±")[0].partition(".")[2])
        assert text in {f"{mean:.{digits}f} ± {half_width:.{digits}f}" for mean, half_width in numbers}


@pytest.mark.parametrize("seed", range(3))
def test_every_number_in_table_1_is_a_mean_of_one_configuration(seed):
    quantiles = dict.fromkeys(QUANTILES, (0.5, 0.95, 0.99))
    axes = {"constants": SETS, "workload.over_length": ("untreated", "truncate"), "algorithm": ("bprr", "mine")}
    spec = Spec(axes, TIMES | quantiles)
    sweep = random_sweep(spec, [18, seed])
    lines = try_to_draw(table1.table, sweep.results, Labels())
    texts = text_numbers(str(cell) for cell in lines.to_numpy().ravel())
    assert_texts(texts, allowed(spec, sweep))
    untreated = [point for point in sweep.points if point["workload.over_length"] == "untreated"]
    assert len(set(texts)) == len(untreated) * (len(TIMES) + 3 * len(quantiles))


@pytest.mark.parametrize("seed", range(3))
def test_every_error_of_a_prediction_is_that_of_one_cell(seed):
    axes = REAL | {"network.rtt_s": (0.0, 0.01), "tuning.capacity": (3, 6)}
    spec = Spec(axes, {"service_mean_s": (NAN,), "response_mean_s": (NAN,)})
    sweep = random_sweep(spec, [20, seed])
    errors, times_s = [], {key: values.mean() for key, values in sweep.by_draw.items()}
    for (number, metric, at), mean in times_s.items():
        for other, point in enumerate(sweep.points):
            if point["evaluator"] == "runtime" and differ_only_in(sweep.points[number], point, "evaluator"):
                errors.append(mean / times_s[other, metric, at] - 1)
    figure = try_to_draw(model_limit.draw, sweep.results, Labels())
    text = try_to_draw(card, sweep.results, Labels())
    if isinstance(figure, str):
        assert any(f"{axis} = " in figure and f"{axis} = " in text for axis in sweep.further)
        return
    plt.close(figure)
    shown = [line.get_ydata() for axes in figure.axes for line in axes.lines if "c =" in str(line.get_label())]
    values = np.concatenate(shown)
    assert_among(values[~np.isnan(values)], np.array(errors))
    written = re.findall(r"(?<= )(\d[\d.]*)(?= |$)", "".join(text.split("```")[1::2]), flags=re.MULTILINE)
    assert written
    assert set(written) <= {f"{mean:.4g}" for mean in times_s.values()}


def test_every_cost_is_that_of_one_configuration():
    axes = {"evaluator.stage": ("compose", "exact"), "algorithm": ("proposed", "mine"), "tuning": ("fixed",)}
    axes |= {"cluster.server_count": (10, 30), "demand.load": (0.7,)}
    spec = Spec(axes, dict.fromkeys(("cpu_s", "job_count", "peak_memory_gb"), (NAN,)))
    sweep = random_sweep(spec, 21)
    figure = try_to_draw(scale.draw, sweep.results, Labels())
    plt.close(figure)
    cost = {key[:2]: values.mean() for key, values in sweep.by_draw.items()}
    seconds = [1e6 * cost[number, "cpu_s"] / cost[number, "job_count"] for number in range(len(sweep.points))]
    lines = [line for axes in figure.axes[:2] for line in axes.lines if not str(line.get_label()).startswith("_")]
    values = np.concatenate([line.get_ydata() for line in lines])
    assert_among(values / 1e6, np.array(seconds) / 1e6)
    assert values.size == len(sweep.points)


def test_card_of_a_point_and_the_widest_interval_are_of_one_configuration():
    spec = Spec({"network": ("a",)}, TIMES | QUANTILES)
    sweep = random_sweep(spec, 22)
    results = sweep.results
    first = results.rows[results.rows["point"] == results.rows["point"].iloc[0]]
    numbers = allowed(spec, sweep)
    texts = {f"{mean:.6g} ± {half_width:.3g}" for mean, half_width in numbers}
    assert {line.split(maxsplit=1)[1].split(" over ")[0].split("  ")[-1].strip() for line in means(first)} <= texts
    (line,) = widest_interval(results.rows, ["network", *sweep.further])
    relative = max(
        h / m for (_, metric, _), (m, h) in zip(sweep.by_draw, numbers, strict=True) if "response_mean" in metric
    )
    assert f"{relative:.1%} of their means" in line
