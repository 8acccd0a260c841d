"""Tables of means and their files: read back from LaTeX and Markdown, beside means that are taken by hand."""

import re
import shutil
import subprocess
from itertools import product

import numpy as np
import pandas as pd
import pytest

from store.disk.store import Store
from store.tables.labels import Labels
from store.tables.means import means_table, title, wide
from store.tables.statistics import Interval, mean_interval
from store.tables.text import latex, markdown, rounded, write_table
from system import InputError
from tests.store.test_commands import edit, point_of, rows_of, run_command, swept  # noqa: F401

rng = np.random.default_rng(5)
SPECIAL = ["a_b & c%", r"5$ #{1} ~x^2 \y", "a|b*c*`d`<e>", "plain", "-3.5"]
TABLE = pd.DataFrame(
    {
        "text_&_label": SPECIAL,
        "number": [1.5, -2.0, 1e-7, np.nan, 3],
        "interval": [Interval(12.345, 0.4123, 3), Interval(-0.5, np.nan, 1), "unstable", "", Interval(2e7, 0, 2)],
    }
)
CELLS = [["1.5", "-2", "1e-07", "", "3"], ["12.35 ± 0.41", "-0.5", "unstable", "", "2e+07"]]


def from_latex(lines):
    """Return cells and alignment of a booktabs table."""
    text = "\n".join(lines)
    body = re.search(r"\\begin\{tabular\}\{([lr]+)\}\n\\toprule\n(.*)\n\\midrule\n(.*)\n\\bottomrule", text, re.DOTALL)
    rows = [line.removesuffix(r" \\") for part in body.groups()[1:] for line in part.splitlines()]
    cells = [re.split(r"(?<!\\) ?& ?", row) for row in rows]
    assert {len(row) for row in cells} == {len(body[1])}
    return [[_plain(cell) for cell in row] for row in cells], body[1]


def _plain(cell):
    number = re.fullmatch(r"\$(.+)\$", cell)
    if number:
        cell = number[1].replace(r" \pm ", " ± ")
        return re.sub(r" \\times 10\^\{(-?)(\d)\}", lambda power: f"e{power[1] or '+'}0{power[2]}", cell)
    for protected, character in {r"\textasciitilde{}": "~", r"\textasciicircum{}": "^"}.items():
        cell = cell.replace(protected, character)
    return re.sub(r"\\(textbackslash\{\}|[&%$#_{}])", lambda name: name[1][0] if len(name[1]) == 1 else "\\", cell)


def from_markdown(lines):
    cells = [re.split(r" (?<!\\)\| ", line.removeprefix("| ").removesuffix(" |")) for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in row] for row in cells if not row[0].startswith("---")]


def test_cells_of_a_latex_table_are_read_back():
    cells, alignment = from_latex(latex(TABLE))
    assert alignment == "lrr"
    assert cells[0] == list(TABLE)
    assert [list(column) for column in zip(*cells[1:], strict=True)] == [SPECIAL, *CELLS]


def test_cells_of_a_markdown_table_are_read_back():
    lines = markdown(TABLE)
    assert lines[1] == "| --- | ---: | ---: |"
    cells = from_markdown(lines)
    assert cells[0] == list(TABLE)
    assert [list(column) for column in zip(*cells[1:], strict=True)] == [SPECIAL, *CELLS]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_sets_the_table(tmp_path):
    write_table(TABLE, tmp_path / "table.tex", title="a_b & c")
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table}\end{document}"
    (tmp_path / "page.tex").write_text(document)
    words = ["pdflatex", "-halt-on-error", "page.tex"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("mean", "half_width", "texts"),
    [
        (12.345, 0.4123, ["12.35", "0.41"]),
        (12.345, 0.0996, ["12.35", "0.10"]),
        (1234.5, 173.0, ["1230", "170"]),
        (123.45, 17.3, ["123", "17"]),
        (-0.00012, 0.0000345, ["-0.000120", "0.000034"]),
        (1.23456789, np.nan, ["1.23457"]),
        (1.23456789, 0.0, ["1.23457"]),
    ],
)
def test_an_interval_is_rounded_to_two_digits_of_its_half_width(mean, half_width, texts):
    assert rounded(Interval(mean, half_width, 3)) == texts


@pytest.fixture
def experiment(tmp_path):
    """Return a store of six points, and their values."""
    values = {key: rng.normal(10, 1, 4).round(3).tolist() for key in product(("fast", "slow"), ("0.1", "0.2", "0.3"))}
    other = {key: rng.normal(2, 1, 4).round(3).tolist() for key in values}
    cells = {key: rows_of(values[key]) + rows_of(other[key], "waiting_mean_s") for key in values}
    store = swept(tmp_path / "store", cells | {("slow", "0.3"): "unstable", ("fast", "0.3"): None})
    return store.folder, values, other


def test_each_cell_is_the_mean_of_one_point(experiment):
    folder, values, _ = experiment
    table = wide(means_table("x", ["scheme"], "load", store=folder)).set_index("scheme")
    assert list(table) == ["0.1", "0.2", "0.3"]
    for (scheme, load), of_point in values.items():
        if load != "0.3":
            assert table.loc[scheme, load] == pytest.approx(mean_interval(of_point))
    assert table["0.3"].to_dict() == {"fast": "missing", "slow": "unstable"}


def test_what_varies_and_is_neither_row_nor_column_becomes_a_row(experiment):
    folder, values, other = experiment
    table = means_table("x", ["scheme"], metrics=["response_mean_s", "waiting_mean_s"], store=folder)
    assert (table.rows, table.columns) == (["scheme", "load", "metric"], None)
    shown = wide(table).set_index(table.rows)["mean"]
    assert shown[("slow", "0.2", "waiting_mean_s")].mean == pytest.approx(np.mean(other["slow", "0.2"]))
    assert shown[("slow", "0.2", "response_mean_s")].mean == pytest.approx(np.mean(values["slow", "0.2"]))
    chosen = means_table("x", ["scheme"], where={"load": 0.1}, store=folder)
    assert (chosen.rows, chosen.fixed["load"]) == (["scheme"], 0.1)
    assert title(chosen) == "response_mean_s, means over draws ± their 95 % intervals; load=0.1"


def test_labels_that_two_values_share_are_left_out(experiment):
    table = means_table("x", ["scheme"], "load", store=experiment[0])
    assert wide(table, Labels({"scheme": {"fast": "Fast & new", "slow": "Slow"}}))["scheme"].tolist() == [
        "Fast & new",
        "Slow",
    ]
    assert wide(table, Labels({"scheme": {"fast": "Same", "slow": "Same"}}))["scheme"].tolist() == ["fast", "slow"]


def test_a_table_is_written_for_programs_and_for_documents(experiment, run_command, tmp_path):  # noqa: F811
    words = ("table", "x", "--rows", "scheme", "--columns", "load", "--to")
    out = run_command(*words, tmp_path / "t.tex").out.splitlines()
    cells, _ = from_latex((tmp_path / "t.tex").read_text().splitlines())
    assert cells[0] == ["scheme", "0.1", "0.2", "0.3"]
    assert [" ".join(row).split() for row in cells] == [line.split() for line in out[1:]]
    run_command(*words, tmp_path / "t.csv")
    tidy = pd.read_csv(tmp_path / "t.csv")
    assert list(tidy) == ["scheme", "load", "metric", "at", "mean", "half_width", "draws", "status"]
    assert tidy["mean"][0] == pytest.approx(np.mean(experiment[1]["fast", "0.1"]))
    run_command("collect", "x", "--to", tmp_path / "rows.md")
    collected = from_markdown((tmp_path / "rows.md").read_text().splitlines()[2:])
    assert len(collected) == 1 + 4 * 4 * 2 + 1  # header, four whole points, a refused one
    store = Store(experiment[0])
    store.write_experiment("x", store.experiment("x") | {"labels": {"scheme": {"fast": "Fast & new"}}})
    run_command("compare", "x", "load=0.1,0.2", "--to", tmp_path / "c.tex")
    header, *rows = from_latex((tmp_path / "c.tex").read_text().splitlines())[0]
    assert header == ["scheme", "load=0.1", "load=0.2", "difference", "ratio", "pairs", "p_holm"]
    expected = mean_interval(np.subtract(experiment[1]["fast", "0.2"], experiment[1]["fast", "0.1"]))
    assert [row[0] for row in rows] == ["Fast & new", "slow"]
    assert rows[0][3] == " ± ".join(rounded(expected))


def test_a_table_refuses_unknown_axes(experiment):
    with pytest.raises(InputError, match=r"axis = schema: there is no such name; choose scheme"):
        means_table("x", ["schema"], store=experiment[0])
    with pytest.raises(InputError, match=r"columns = scheme: is a row as well"):
        means_table("x", ["scheme"], "scheme", store=experiment[0])
