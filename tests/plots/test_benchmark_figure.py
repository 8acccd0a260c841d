"""The figure of the committed benchmarks: it shows every number, and claims that are not met stand out."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.benchmarks import COLUMNS, LOOKS, TABLE, draw, read_table, write_benchmarks
from system import InputError
from tests.support.project import script

MACHINE = {"processor": "EPYC", "cores": 2, "system": "Linux", "python": "3", "numba": "0", "numpy": "2", "commit": "a"}


def table_of(*rows):
    """Return a table of benchmarks.

    Rows are (median, unit, peer, ratio, claim, met).
    """
    names = ("median", "unit", "peer", "ratio", "claim", "met")
    numbered = [
        {"name": f"n{n}", "measures": "what", **dict(zip(names, row, strict=True))} for n, row in enumerate(rows)
    ]
    return pd.DataFrame(numbered).assign(**MACHINE)[list(COLUMNS)].fillna({"met": "none"})


@pytest.fixture
def drawn():
    """Yield a figure of two ratios and three medians.

    One median has no claim. Two claims are not met.
    """
    figure = draw(
        table_of(
            (9.0, "s", "SimPy", 97.3, ">= 60 times the peer", "yes"),
            (9.0, "s", "Ciw", 100.0, ">= 200 times the peer", "no"),
            (4e6, "jobs/s", None, None, ">= 8e+06 jobs/s", "no"),
            (0.5, "s", None, None, "<= 2 s", "yes"),
            (0.02, "s", None, None, None, None),
        )
    )
    yield figure
    plt.close(figure)


def markers(axes):
    """Return the positions of each kind of marker, from the top."""
    lines = [line for line in axes.lines if len(line.get_xdata())]
    return {
        met: [float(line.get_xdata()[0]) for line in lines if line.get_marker() == look["marker"]]
        for met, look in LOOKS.items()
    }


def test_claims_that_are_not_met_have_another_look_and_colour(drawn):
    above, below = drawn.axes
    assert markers(above)["no"] == [100.0]
    assert markers(below)["no"] == [0.5]
    assert drawn.legends[0].get_title().get_text() == "2 of 4 claims met"
    coloured = [text.get_text() for axes in drawn.axes for text in axes.texts if text.get_color() != "black"]
    assert coloured == ["100\n>= 200", "4e+06 jobs/s\n>= 8e+06 jobs/s"]


def test_ratios_are_drawn_beside_their_claims_and_medians_relative_to_theirs(drawn):
    above, below = drawn.axes
    ticks = [next(line for line in axes.lines if line.get_marker() == "|") for axes in drawn.axes]
    assert markers(above)["yes"][0] == 97.3
    assert ticks[0].get_xdata().tolist() == [60, 200]
    assert markers(below)["yes"][0] == 4.0  # half a second, with a claim of two
    assert ticks[1].get_xdata()[:2].tolist() == [1, 1]
    assert pd.isna(ticks[1].get_xdata()[2])
    assert [text.get_text() for text in below.texts][-1] == "0.02 s"


def test_figure_names_the_machine(drawn):
    assert all(str(fact) in drawn.get_supxlabel() for fact in MACHINE.values())


def test_committed_table_has_a_line_for_each_row():
    figure = draw(read_table(TABLE))
    shown = sum(len(axes.get_yticks()) for axes in figure.axes)
    assert shown == len(pd.read_csv(TABLE))
    assert all("(s)" in axes.get_xlabel() for axes in figure.axes)
    plt.close(figure)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist; run `make bench` to write it$"),
        ("", "is not a table .*; run `make bench` to write it again$"),
        (
            "name,measures,unit,median,peer,ratio,claim\n",
            "lacks the columns met, processor, .*; run `make bench` to write it again$",
        ),
        (",".join(COLUMNS[:-1]) + "\n", "lacks the column commit; run `make bench` to write it again$"),
        (",".join(COLUMNS) + "\n", "has no rows; run `make bench` to write it again$"),
    ],
)
def test_error_says_why_a_file_is_not_a_table_of_benchmarks(tmp_path, content, sentence):
    path = tmp_path / "b.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=f"^benchmarks = .*b.csv: {sentence}"):
        write_benchmarks(tmp_path, path)


def test_command_without_names_draws_the_benchmarks_too(tmp_path):
    done = script("plot.py", "--store", tmp_path / "store", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["benchmarks", "claims"]
    for suffix in ("png", "pdf", "svg"):
        assert (tmp_path / f"benchmarks.{suffix}").stat().st_size > 5000
