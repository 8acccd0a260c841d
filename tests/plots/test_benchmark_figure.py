"""The committed benchmarks drawn: every number is there, and a claim that is not met cannot be overlooked."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from plots.drawing.benchmarks import COLUMNS, LOOKS, TABLE, draw, read_table, write_benchmarks
from system import InputError
from tests.support.project import script

MACHINE = {"processor": "EPYC", "cores": 2, "system": "Linux", "python": "3", "numba": "0", "numpy": "2", "commit": "a"}


def table_of(*rows):
    """Rows of (median, unit, peer, ratio, claim, met)."""
    names = ("median", "unit", "peer", "ratio", "claim", "met")
    numbered = [
        {"name": f"n{n}", "measures": "what", **dict(zip(names, row, strict=True))} for n, row in enumerate(rows)
    ]
    return pd.DataFrame(numbered).assign(**MACHINE)[list(COLUMNS)].fillna({"met": "none"})


@pytest.fixture
def drawn():
    """Two ratios, two medians, one fact without a claim; two claims are not met."""
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
    """The positions of each kind of marker, from the top."""
    lines = [line for line in axes.lines if len(line.get_xdata())]
    return {
        met: [float(line.get_xdata()[0]) for line in lines if line.get_marker() == look["marker"]]
        for met, look in LOOKS.items()
    }


def test_claims_that_are_not_met_look_and_read_differently(drawn):
    above, below = drawn.axes
    assert markers(above)["no"] == [100.0]
    assert markers(below)["no"] == [0.5]
    assert drawn.legends[0].get_title().get_text() == "2 of 4 claims met"
    coloured = [text.get_text() for axes in drawn.axes for text in axes.texts if text.get_color() != "black"]
    assert coloured == ["100\n>= 200", "4e+06 jobs/s\n>= 8e+06 jobs/s"]


def test_ratios_stand_beside_their_claims_and_medians_relative_to_theirs(drawn):
    above, below = drawn.axes
    ticks = [next(line for line in axes.lines if line.get_marker() == "|") for axes in drawn.axes]
    assert markers(above)["yes"][0] == 97.3
    assert ticks[0].get_xdata().tolist() == [60, 200]
    assert markers(below)["yes"][0] == 4.0  # half a second where two are allowed
    assert ticks[1].get_xdata()[:2].tolist() == [1, 1]
    assert pd.isna(ticks[1].get_xdata()[2])
    assert [text.get_text() for text in below.texts][-1] == "0.02 s"


def test_the_machine_is_named(drawn):
    assert all(str(fact) in drawn.get_supxlabel() for fact in MACHINE.values())


def test_the_committed_table_is_drawn_line_by_line():
    figure = draw(read_table(TABLE))
    shown = sum(len(axes.get_yticks()) for axes in figure.axes)
    assert shown == len(pd.read_csv(TABLE))
    assert all("(s)" in axes.get_xlabel() for axes in figure.axes)
    plt.close(figure)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file; `make bench` writes it$"),
        ("", "is no table .*; `make bench` writes it anew$"),
        ("name,measures,unit,median,peer,ratio,claim\n", "lacks met, processor, .*; `make bench` writes it anew$"),
        (",".join(COLUMNS) + "\n", "lacks any row; `make bench` writes it anew$"),
    ],
)
def test_what_is_no_table_of_benchmarks_is_refused_in_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "b.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=f"^benchmarks = .*b.csv: {sentence}"):
        write_benchmarks(tmp_path, path)


def test_the_command_draws_them_with_all_others(tmp_path):
    done = script("plot.py", "--store", tmp_path / "store", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["claims", "benchmarks"]
    for suffix in ("png", "pdf", "svg"):
        assert (tmp_path / f"benchmarks.{suffix}").stat().st_size > 5000
