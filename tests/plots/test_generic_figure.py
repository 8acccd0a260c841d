"""Figures of own experiments: how axes are shared out, what is refused, and which files are written."""

import sys
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import plots.figures.own
from evaluators.points.metrics import metric_meanings
from plots.drawing.generic import AUTOMATIC, Arrangement, arrange, draw, rows_of_metric
from plots.drawing.style import DrawingError
from plots.files import PLAIN, Request, Subject, drawing_of, module_of, parts_of, try_to_draw, write_figure
from plots.report.experiment import section_of, title_of
from store.tables.labels import Labels
from store.tables.reading import Results
from system import InputError
from tests.support.made_up_results import results_of

LABELS = Labels({"algorithm": {"mine_a": "Scheme A", "mine_b": "Scheme B"}})
LOAD, SIZE, SCHEME = "demand.load", "cluster.server_count", "algorithm"
AXES = {LOAD: (0.3, 0.6, 0.9), SIZE: (10, 20), SCHEME: ("mine_a", "mine_b")}


def sweep(axes, metric="response_mean_s", coordinates=(np.nan,)):
    """Return results with two draws of each combination of values."""
    index = pd.MultiIndex.from_product([*axes.values(), coordinates, range(2)], names=[*axes, "at", "draw"])
    rows = index.to_frame(index=False).assign(metric=metric, replication=0, status="ok", draws=2)
    point = rows[list(axes)].astype(str).agg(" ".join, axis=1) if axes else "p"
    return results_of(rows.assign(point=point, value=np.arange(1.0, len(rows) + 1)))


def shape_of(results, wanted=AUTOMATIC):
    return arrange(rows_of_metric(results.rows, wanted.metric), wanted)


def drawn(results, wanted=AUTOMATIC):
    figure = draw(results, LABELS, metric_meanings(), wanted)
    plt.close(figure)
    return figure


def test_x_is_the_longest_numeric_axis_curves_are_choices_and_panels_numbers():
    results = sweep(AXES)
    assert shape_of(results) == Arrangement(LOAD, (SIZE,), (SCHEME,), "response_mean_s")
    figure = drawn(results)
    assert [axes.get_title() for axes in figure.axes] == ["server_count = 10", "server_count = 20"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Scheme A", "Scheme B"]
    assert figure.axes[0].get_ylabel() == "response_mean_s (s)"
    assert figure.axes[0].get_xlabel() == "demand.load"
    first = {curve.get_label(): curve.lines[0].get_ydata() for curve in figure.axes[0].containers}
    rows = results.rows[(results.rows[SIZE] == 10) & (results.rows[SCHEME] == "mine_b")]
    assert first["Scheme B"] == pytest.approx(rows.groupby(LOAD)["value"].mean().to_numpy())


def test_the_command_line_shares_out_axes():
    wanted = Arrangement(x=SIZE, panels=(SCHEME,))
    assert shape_of(sweep(AXES), wanted) == Arrangement(SIZE, (SCHEME,), (LOAD,), "response_mean_s")


@pytest.mark.parametrize("name", ["x", "metric"])
def test_unknown_axes_and_metrics_are_refused(name):
    with pytest.raises(InputError, match="nosuch: there is none; choose"):
        shape_of(sweep(AXES), Arrangement(**{name: "nosuch"}))


def test_coordinates_of_a_metric_are_an_axis():
    assert shape_of(sweep({}, "response_quantile_s", (0.1, 0.5, 0.9))).x == "metric.at"


def test_choices_alone_are_drawn_as_points_without_lines():
    figure = drawn(sweep({SCHEME: ("mine_a", "mine_b"), "network": ("star", "ring")}))
    (axes,) = figure.axes
    assert len(axes.containers) == 2
    assert {container.lines[0].get_linestyle() for container in axes.containers} == {"None"}
    assert len(axes.get_xticklabels()) == 2


def test_a_figure_that_cannot_be_read_names_the_axes_and_the_remedy():
    many = {"network": tuple(f"n{n}" for n in range(20)), SCHEME: tuple(f"s{n}" for n in range(20))}
    with pytest.raises(DrawingError, match=r"algorithm \(20 values\) would make 400 curves.* --where network=n0,n1"):
        shape_of(sweep(many | {LOAD: (0.1, 0.2)}))


def test_points_without_a_mean_are_counted_in_the_note():
    refused = {LOAD: 0.95, SIZE: 10, SCHEME: "mine_a", "status": "unstable", "draws": 2, "point": "refused"}
    results = sweep(AXES)
    figure = drawn(results_of(results.rows, [refused]))
    assert "1 point not drawn: 1 unstable" in figure.legends[0].get_title().get_text().replace("\n", " ")


def subject(results, name="own_sweep"):
    return Subject(name, {"fixed": [], "labels": LABELS.by_axis}, results, f"{name}_file")


def test_an_own_experiment_is_drawn_and_a_single_point_is_written_as_text(tmp_path):
    made = write_figure(subject(sweep({LOAD: (0.3, 0.6)})), tmp_path)
    assert [path.name for path in made.files] == [f"own_sweep_file.{suffix}" for suffix in ("png", "pdf", "svg")]
    (text,) = write_figure(subject(sweep({})), tmp_path).files
    assert "response_mean_s                  1.5 ± 6.35 over 2 draws" in text.read_text()


def test_an_experiment_is_drawn_like_another_or_told_what_it_lacks(tmp_path):
    results = sweep({"constants": ("mine",), LOAD: (0.3, 0.6), "dispatch": ("jffc", "mine"), "evaluator": ("exact",)})
    made = write_figure(subject(results), tmp_path, "where", Request(like="fig3a"))
    assert "beyond jffc's" in made.files[2].read_text()
    assert write_figure(subject(results), tmp_path, request=Request(like="fig6a")).outcome.endswith("'tuning.capacity'")
    with pytest.raises(InputError, match="like = nosuch: no module in plots/figures"):
        write_figure(subject(results), tmp_path, request=Request(like="nosuch"))


def test_choices_without_any_result_are_named_above_the_figure(tmp_path):
    refused = {LOAD: 0.3, SCHEME: "mine_c", "status": "infeasible", "draws": 2, "point": "refused"}
    results = results_of(sweep({LOAD: (0.3, 0.6), SCHEME: ("mine_a",)}).rows, [refused])
    made = write_figure(subject(results), tmp_path)
    assert "without any result: mine_c: infeasible" in made.files[2].read_text()


def test_declared_points_keep_the_name_of_their_figure():
    points = sweep({LOAD: (0.3, 0.6)}).points
    mixed, own = points.assign(is_declared=[True, False]), points.assign(is_declared=False)
    assert parts_of("fig8", points) == {"fig8": True}
    assert parts_of("fig8", mixed) == {"fig8": True, "fig8_own": False}
    assert parts_of("fig8", own) == {"fig8_own": False}
    assert parts_of("fig8_embedded", own) == {"fig8_embedded_own": False}
    assert parts_of("no_module", own) == {"no_module": False}


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Return a function that adds a module to `plots.figures.own`."""
    monkeypatch.setattr(plots.figures.own, "__path__", [*plots.figures.own.__path__, str(tmp_path)])

    def _own_module(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, f"plots.figures.own.{name}", raising=False)

    return _own_module


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def draw(results, labels):\n    pass\n", "has no docstring; say on its first line what the figure shows"),
        ('"""Mine."""\n', r"has no function draw\(results, labels\)"),
        ("import nothing_of_this_name\n", "cannot be imported: ModuleNotFoundError"),
        ("def draw(:\n", "cannot be imported: SyntaxError"),
    ],
)
def test_an_own_module_that_cannot_be_used_is_named_and_the_report_goes_on(own_module, text, message):
    name = f"broken_{abs(hash(text))}"
    own_module(name, text)
    with pytest.raises(InputError, match=rf"plots/figures/own/{name}\.py: {message}"):
        module_of(name)
    assert title_of(name).heading == name
    section = section_of(name, {"fixed": [], "axes": [LOAD]}, sweep({LOAD: (0.3, 0.6)}))
    assert f"plots/figures/own/{name}.py: " in section


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def draw(results): pass", r"draw\(results, labels\): ends in TypeError: draw\(\) takes 1 positional"),
        (
            "def draw(results, labels): raise SystemExit(5)",
            r"draw\(results, labels\): ends in SystemExit: 5",
        ),
        ("def draw(results, labels): return results.no", r"draw\(results, labels\): ends in AttributeError"),
        (
            "def draw(results, labels): return 'done'",
            r"draw\(results, labels\): returns a str; it must",
        ),
    ],
)
def test_a_mistake_in_an_own_module_is_named(own_module, text, message):
    name = f"mistaken_{crc32(text.encode())}"
    own_module(name, f'"""Mine."""\n{text}\n')
    with pytest.raises(InputError, match=rf"plots/figures/own/{name}\.py: {message}"):
        try_to_draw(drawing_of(name), sweep({LOAD: (0.3, 0.6)}), Labels())


def test_two_modules_of_one_name_are_refused(own_module):
    own_module("fig8", '"""Mine."""\n')
    with pytest.raises(InputError, match=r"figures\.own\.fig8 and plots\.figures\.paper\.fig8 both draw it"):
        module_of("fig8")


def test_an_own_experiment_has_a_section_of_the_report():
    results = sweep({LOAD: (0.3, 0.6)})
    assert "<img" in section_of("own_sweep", {"fixed": [], "axes": [LOAD]}, results)
    nothing = Results(results.rows.iloc[:0], results.points.assign(status="skipped", reason="no data"))
    assert "nothing to draw" in section_of("own_sweep", {"fixed": [], "axes": [LOAD]}, nothing)
    assert PLAIN.arrangement == AUTOMATIC
