"""Figures for print: TrueType fonts, a stated width, and a style file of one's own."""

import itertools
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text
from PIL import Image

from plots.drawing.appearance import WIDTHS_IN, Appearance, appearance_of
from plots.drawing.fitting import fit
from plots.drawing.style import legend_below, new_figure
from plots.drawing.texts import are_readable
from plots.figures.paper import fig3b
from plots.files import Request, Subject, save, write_figure
from plots.outputs import Experiment, ExperimentFigure
from plots.stamps import Stamps
from store.disk.parts import Part
from store.disk.store import Store
from store.tables.labels import Labels
from system import InputError
from tests.support.made_up_results import results_of
from tests.support.stored import record

LABELS = Labels({"constants": {"paper": "constants of the paper", "simulator": "constants of the simulator only"}})
SWEEP = {"draws": 2, "fixed": ["workload.job_count=500"], "labels": LABELS.by_axis}
STATISTICS = ("response_mean_s", "response_upper_s", "response_lower_s", "surrogate_response_s")


def rows_of():
    """Return mean responses and bounds under both sets of constants."""
    cells = itertools.product(("paper", "simulator"), (0.3, 0.5, 0.9), enumerate(STATISTICS), range(2))
    rows = [
        {
            "point": f"{constants} {value}",
            "constants": constants,
            "demand.load": value,
            "evaluator": "exact",
            "metric": metric,
        }
        | {"draw": draw, "replication": 0, "value": 10 + value + number + draw / 9}
        for constants, value, (number, metric), draw in cells
    ]
    return pd.DataFrame(rows).assign(at=np.nan, draws=2, status="ok")


def written(folder, appearance, rows=None, name="fig3b"):
    """Write a figure and return its files by their suffix."""
    results = results_of(rows_of() if rows is None else rows)
    subject = Subject(name, SWEEP, results, name)
    made = write_figure(subject, folder, ", ".join(SWEEP["fixed"]), Request(appearance=appearance))
    return {path.suffix[1:]: path for path in made.files}


@cache
def fitted(width_in, lines=1):
    """Return a figure with lines of three panels, perhaps fitted."""
    with Appearance(width_in).applied():
        figure, panels = new_figure(3, lines)
        for number, axes in enumerate(panels):
            axes.plot([0, 1], label="a scheme")
            axes.set(title=f"a title that has many words, number {number}", xlabel="load λ/ν", ylabel="mean time (s)")
        legend_below(figure, panels, 1, "a note with more words than there is room for in a single line of a column")
        assert width_in is None or fit(figure, width_in)
    figure.draw_without_rendering()
    plt.close(figure)
    return figure


def test_pdf_has_truetype_fonts_only_even_for_greek_letters_and_formulas(tmp_path):
    figure, (axes,) = new_figure()
    axes.set(title="λ/ν ⌈p/µ₁⌉ ρ̄ ± †", xlabel=r"$J^{1.2 \pm 0.1}$")
    pdf = next(path for path in save(figure, "x", tmp_path) if path.suffix == ".pdf").read_bytes()
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf  # the program of a TrueType font


def test_the_same_rows_give_the_same_files_of_the_width(tmp_path):
    once, again = (written(tmp_path / name, Appearance(3.5)) for name in ("once", "again"))
    assert Image.open(once["png"]).width == 3.5 * 200
    assert set(once) == {"png", "pdf", "svg"}
    assert all(once[suffix].read_bytes() == again[suffix].read_bytes() for suffix in once)


@pytest.mark.parametrize(("width_in", "lines", "grid"), [(3.5, 1, (3, 1)), (5, 2, (4, 2)), (7.16, 1, (1, 3))])
def test_panels_continue_on_further_lines_in_their_order(width_in, lines, grid):
    figure = fitted(width_in, lines)
    assert figure.get_figwidth() == width_in
    corners = [(round(-box.y0, 3), round(box.x0, 3)) for box in (axes.get_position() for axes in figure.axes)]
    assert corners == sorted(corners)  # above before below, left before right
    assert tuple(len(set(coordinates)) for coordinates in zip(*corners, strict=True)) == grid


@pytest.mark.parametrize("width_in", WIDTHS_IN.values())
def test_letters_have_seven_to_nine_points_and_are_inside(width_in):
    figure = fitted(width_in)
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert len(texts) > 20
    assert {7 <= text.get_fontsize() <= 9 for text in texts} == {True}
    titles = [axes.title.get_window_extent() for axes in figure.axes]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(titles, 2))
    frame = figure.bbox.padded(1)
    assert all(frame.containsx(x) for box in titles for x in (box.x0, box.x1))


def test_panels_keep_their_proportions():
    boxes = [fitted(width_in).axes[0].get_window_extent() for width_in in (None, *WIDTHS_IN.values())]
    expected, *proportions = [box.height / box.width for box in boxes]
    assert proportions == pytest.approx([expected] * 2, rel=0.1)


def test_long_legend_and_note_are_split_but_no_formula(tmp_path):
    with Appearance(3.5).applied():
        figure, (axes,) = new_figure()
        for number in range(3):
            name = f"scheme {number} with a name of several words, and then"
            axes.plot([0, 1], label=rf"{name}: $J^{{1 \pm 2 \pm 3 \pm 4}}$")
        note = "a note\nwith more words than there is room for in a single line of this figure for print"
        legend_below(figure, [axes], 3, note)
        assert fit(figure, 3.5)
    plt.close(figure)
    (legend,) = figure.legends
    assert all(r"$J^{1 \pm 2 \pm 3 \pm 4}$" in text.get_text() for text in legend.get_texts())
    assert "\n" in legend.get_texts()[0].get_text()
    assert legend.get_title().get_text().startswith("a note with more words than")
    assert legend.get_window_extent().width <= figure.bbox.width


def test_figure_whose_texts_do_not_fit_is_refused_in_words(tmp_path, monkeypatch):
    def draw(*_):
        figure, (axes,) = new_figure()
        for column in range(10):
            axes.text(column / 10, 0.5, "1234.5 ± 67.8")
        return figure

    monkeypatch.setattr(fig3b, "draw", draw)
    subject = Subject("fig3b", SWEEP, results_of(rows_of()), "fig3b")
    made = write_figure(subject, tmp_path, request=Request(appearance=Appearance(3.5)))
    assert made.files == []
    assert made.outcome == "not drawn: its texts do not fit a width of 3.5 in; choose a larger --width"
    assert write_figure(subject, tmp_path, request=Request(appearance=Appearance(12.0))).files


def test_panels_outside_a_grid_are_scaled():
    figure = plt.figure(figsize=(10, 5))
    figure.add_axes((0.2, 0.2, 0.7, 0.7)).plot([0, 1])
    assert fit(figure, 3.5)
    plt.close(figure)
    assert figure.get_size_inches() == pytest.approx((3.5, 1.75))


@pytest.mark.parametrize(
    ("corners", "is_readable"),
    [([(0.1, 0.2), (0.1, 0.6)], True), ([(0.1, 0.5), (0.12, 0.5)], False), ([(0.95, 0.5)], False)],
    ids=["apart", "on each other", "outside"],
)
def test_texts_are_readable_if_apart_and_inside(corners, is_readable):
    figure = plt.figure(figsize=(3, 2))
    for x, y in corners:
        figure.text(x, y, "some words")
    figure.draw_without_rendering()
    assert are_readable(figure) is is_readable
    plt.close(figure)


@pytest.mark.parametrize(
    ("text", "width_in"), [("column", 3.5), ("page", 7.16), ("5", 5.0), ("12.5", 12.5), (None, None)]
)
def test_width_is_a_name_or_inches(text, width_in):
    assert appearance_of(text, None).width_in == width_in


@pytest.mark.parametrize("text", ["colum", "0.1", "-3", "nan", "1000"])
def test_other_widths_are_refused(text):
    with pytest.raises(
        InputError, match=rf"width = {text}: must be column \(3.5 in\) or page \(7.16 in\), or a number"
    ):
        appearance_of(text, None)


def test_style_file_is_applied_on_top(tmp_path):
    style = tmp_path / "my.mplstyle"
    style.write_text("# mine\naxes.facecolor: ffeedd  # light\nlines.linewidth: 3\n\nfont.size: 6\n")
    with Appearance(3.5, style).applied():
        figure, (axes,) = new_figure()
        (line,) = axes.plot([0, 1])
        small = axes.text(0, 0, "x", fontsize="small")
        assert fit(figure, 3.5)
    plt.close(figure)
    assert axes.get_facecolor() == pytest.approx((1, 0xEE / 255, 0xDD / 255, 1))
    assert line.get_linewidth() == 3
    assert small.get_fontsize() == 6  # as small as the style file asks for
    other, (others_axes,) = new_figure()
    assert others_axes.get_facecolor() == (1, 1, 1, 1)
    plt.close(other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("axes.labelsze: 8", "axes.labelsze is no setting of matplotlib; did you mean axes.labelsize?"),
        ("lines.linewidth: thick", "Key lines.linewidth: .*; correct this line"),
        ("just words", "just words is no setting of matplotlib"),
    ],
)
def test_wrong_style_file_is_refused(tmp_path, content, message):
    style = tmp_path / "my.mplstyle"
    style.write_text(f"{content}\n")
    with pytest.raises(InputError, match=f"style = {style}: {message}"):
        appearance_of(None, style)


def test_missing_style_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist; name a style file of matplotlib"):
        appearance_of("column", tmp_path / "no.mplstyle")


def test_changed_width_or_style_is_drawn_again(tmp_path):
    style, store = tmp_path / "my.mplstyle", Store(tmp_path / "store")
    style.write_text("lines.linewidth: 2\n")
    store.commit("a0", Part(range(2), range(1)), [(0, 0, "x", np.nan, 1.0)], record())
    sweep = SWEEP | {"points": [{"point": "a0", "axes": {}}], "axes": [], "replications": 1}
    store.write_experiment("mine", json.loads(json.dumps(sweep)))
    stamps = Stamps(tmp_path / "figures")

    def output(*looks):
        request = Request(appearance=Appearance(*looks))
        return ExperimentFigure(Experiment("mine", store.folder), stamps.folder, "mine", False, request)

    drawn = output(3.5, style)
    stamps.write("mine", drawn.inputs(), drawn.make())
    assert stamps.up_to_date(output(3.5, style)) is not None
    assert stamps.up_to_date(output(7.16, style)) is None
    assert stamps.up_to_date(output(3.5)) is None
    style.write_text("lines.linewidth: 2  # the same\n")
    assert stamps.up_to_date(output(3.5, style)) is not None
    style.write_text("lines.linewidth: 3\n")
    assert stamps.up_to_date(output(3.5, style)) is None
