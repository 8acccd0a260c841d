"""Table I where requests slow each other: what a panel and the table show of made-up rows."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.claims.rules import claim_rules
from plots.figures.interference import table1_steps
from store.tables.labels import Labels
from system.intervals import half_width_of
from tests.support.made_up_results import results_of

DRAWS, RATES = 3, ("1.2", "2", "2.8")
LABELS = Labels(
    {
        "algorithm": {"jffc_only": "JFFC only", "mine": "My scheme"},
        "service": {"independent": "equation (2)", "steps": "step queues", "mine": "My service"},
        "demand": {"native": "native rate"},
        "constants": {"paper": "constants of the paper"},
    }
)
SERVICES = (("mine", None), ("steps", "decode"), ("steps", "serial"), ("independent", None))
METRICS = ("response_mean_s", "waiting_mean_s", "service_mean_s", "is_unstable")


def arrivals(rates=RATES):
    """Return the arrivals of points as values of axes."""
    recorded = [{"workload": "trace", "demand": "native"}]
    recorded += [{"workload": "trace", "demand": "rate", "demand.per_s": "2.57"}]
    return recorded + [{"workload": "drawn", "demand": "rate", "demand.per_s": rate} for rate in rates]


def made_up(schemes=("jffc_only", "mine"), sets=("paper", "simulator"), unstable=(), rates=RATES):
    """Return rows with all times different; points in `unstable` are unstable in one draw."""
    rng, rows = np.random.default_rng(3), []
    cells = itertools.product(sets, SERVICES, schemes, arrivals(rates))
    for number, (constants, (service, batching), scheme, arrival) in enumerate(cells):
        point = {"constants": constants, "service": service, "algorithm": scheme, **arrival}
        point |= {"service.batching": batching} if batching else {}
        row = {"point": f"p{number}", "status": "ok", "draws": DRAWS, "replication": 0, "at": np.nan, **point}
        is_unstable = all(point.get(axis) == value for axis, value in unstable) if unstable else False
        for draw in range(DRAWS):
            values = dict(zip(METRICS[:3], rng.uniform(1, 90, 3), strict=True))
            values["is_unstable"] = float(is_unstable and draw == 0)
            rows += [row | {"draw": draw, "metric": name, "value": value} for name, value in values.items()]
            rows += [
                row | {"draw": draw, "metric": "response_quantile_s", "at": at, "value": rng.uniform(1, 90)}
                for at in (0.5, 0.95, 0.99)
            ]
    return pd.DataFrame(rows)


def times(rows, metric="response_mean_s", at=None, **axes):
    """Return the values of a metric of the points with these values of axes."""
    chosen = rows[(rows["metric"] == metric) & (rows["at"].isna() if at is None else rows["at"] == at)]
    for axis, value in axes.items():
        column = chosen[axis.replace("__", ".")]
        chosen = chosen[column.isna() if value is None else column == value]
    return chosen["value"].to_numpy()


@pytest.fixture
def drawn():
    """Return a function that draws rows.

    It returns the panels of the figure and the axes of its table.
    """
    figures = []

    def draw(rows):
        figures.append(table1_steps.draw(results_of(rows), LABELS))
        *panels, table = figures[-1].axes
        return panels, table

    yield draw
    for figure in figures:
        plt.close(figure)


def means_in(axes, label):
    """Return the means of the error bars with a label, by x."""
    (container,) = [c for c in axes.containers if c.get_label() == label]
    return dict(zip(*container.lines[0].get_data(), strict=True))


def test_there_is_a_panel_for_each_set_of_constants_and_service_model_in_order(drawn):
    panels, _ = drawn(made_up())
    models = ["equation (2)", "step queues, batching = serial", "step queues, batching = decode", "My service"]
    sets = ["constants of the paper", "simulator"]
    assert [axes.get_title() for axes in panels] == [f"{first}\n{model}" for first in sets for model in models]
    for line in (panels[:4], panels[4:]):
        assert len({axes.get_ylim() for axes in line}) == 1


def test_curves_are_means_over_the_rate_and_points_those_of_the_trace(drawn):
    rows = made_up()
    panels, _ = drawn(rows)
    axes = panels[1]
    setting = {"constants": "paper", "service": "steps", "service__batching": "serial"}
    for scheme, label in (("jffc_only", "JFFC only"), ("mine", "My scheme")):
        curve = means_in(axes, label)
        expected = {
            float(rate): times(rows, algorithm=scheme, workload="drawn", demand__per_s=rate, **setting).mean()
            for rate in RATES
        }
        assert curve == pytest.approx(expected)
    labels = {text.get_text(): x for text, x in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)}
    assert list(labels)[-3:] == ["native rate", "2.57/s", "published"]
    points = [c.lines[0].get_data() for c in axes.containers if not c.get_label().startswith(("JFFC", "My"))]
    native = times(rows, algorithm="jffc_only", workload="trace", demand="native", **setting).mean()
    assert any(x[0] == labels["native rate"] and y[0] == pytest.approx(native) for x, y in points)


def test_published_means_are_marks_in_every_panel(drawn):
    panels, _ = drawn(made_up(schemes=("petals", "bprr", "jffc_only", "proposed", "mine")))
    published = sorted(claim_rules().table1["response_mean_s"].values())
    for axes in panels:
        marks = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "_" and len(line.get_ydata()) == 1]
        assert set(published) <= set(marks)


def test_means_without_a_steady_state_are_hollow_and_have_a_dagger(drawn):
    unstable = (("service", "steps"), ("service.batching", "serial"), ("algorithm", "mine"), ("constants", "paper"))
    rows = made_up(unstable=unstable)
    panels, _ = drawn(rows)
    for axes in panels:
        hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
        assert sum(len(line.get_xdata()) for line in hollow) == (len(arrivals()) if axes is panels[1] else 0)
    table = table1_steps.published_and_simulated(results_of(rows), LABELS).set_index(["scheme", "time (s)"])
    marked = table.map(lambda text: "†" in text)
    serial = [head for head in table if "serial" in head]
    assert len(serial) == 2
    assert marked.loc["My scheme", serial].all(axis=None)
    assert marked.sum(axis=None) == len(serial) * len(table1_steps.STATISTICS)


def test_table_has_published_numbers_beside_those_of_the_trace():
    rows = made_up()
    table = table1_steps.published_and_simulated(results_of(rows), LABELS).set_index(["scheme", "time (s)"])
    models = ["equation (2)", "step queues, batching = serial", "step queues, batching = decode", "My service"]
    assert list(table) == ["published", *(f"{rate}, {model}" for rate in ("native rate", "2.57/s") for model in models)]
    assert table.loc["JFFC only", "published"].tolist() == ["10.0", "1.5", "8.5", "22.1", "29.6"]
    assert set(table.loc["My scheme", "published"]) == {"–"}
    values = times(
        rows, "response_quantile_s", 0.95, algorithm="jffc_only", constants="paper", service="independent",
        workload="trace", demand__per_s="2.57",
    )  # fmt: skip
    text = table.loc[("JFFC only", "P95 response"), "2.57/s, equation (2)"]
    assert [float(part) for part in text.split(" ± ")] == pytest.approx(
        [values.mean(), half_width_of(values)], abs=0.06
    )


def test_a_sweep_without_poisson_arrivals_has_columns_only(drawn):
    panels, _ = drawn(made_up(rates=()))
    for axes in panels:
        assert [text.get_text() for text in axes.get_xticklabels()] == ["native rate", "2.57/s", "published"]
        assert {"JFFC only", "My scheme"} <= {container.get_label() for container in axes.containers}


def test_a_sweep_of_one_service_model_at_the_native_rate_is_drawn_too(drawn):
    rows = made_up(rates=(), sets=("paper",))
    rows = rows[(rows["service"] == "mine") & (rows["demand"] == "native")].drop(
        columns=["service.batching", "demand.per_s"]
    )
    (axes,), _ = drawn(rows)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["native rate", "published"]
    assert list(table1_steps.published_and_simulated(results_of(rows), LABELS))[2:] == [
        "published",
        "native rate, My service",
    ]
