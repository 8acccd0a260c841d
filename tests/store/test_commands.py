"""Commands of `python -m store` on small made-up stores, and once on a real one."""

import os
import re
import sys
import warnings
from contextlib import suppress
from io import StringIO
from subprocess import PIPE, Popen
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from store import __main__ as commands
from store.commands.card import point_card
from store.commands.prune import prunable
from store.commands.status import experiment_status, left_s
from store.comparisons.compare import compare_commits, compare_stores, compare_values
from store.disk import shapes
from store.disk.files import TEMPORARY, StoreWarning
from store.disk.identity import identity_of
from store.disk.parts import Part
from store.disk.provenance import current_provenance
from store.disk.store import Store
from store.tables.filtered import collect
from store.tables.reading import MEASURED, OF_POINT, Measure, load, load_points, load_provenance
from store.tables.statistics import mean_interval
from store.workers import work
from store.workers.work import WorkItem, do_work
from system import InputError
from system.code import source
from system.errors import DataUnavailableError
from tests.support.project import ROOT, command

NONE = float("nan")
AXES = ("scheme", "load")
FAST = 'class Scheme:\n    """Fast."""\n    speed = 2\n'
A, B = [1.0, 2.0, 4.0, 3.0], [2.5, 1.5, 6.0, 5.0]
RESPONSE = Measure()
HOLD = """
import sys
from pathlib import Path
from store.workers.locks import locked
with locked(Path("{folder}"), "{point}"):
    print("held", flush=True)
    sys.stdin.read()
"""

WRITE = """
import os, sys
from pathlib import Path
from store.disk.files import Files
os.fsync = lambda file: (print("writing", flush=True), sys.stdin.read())
Files(Path("{folder}")).write("{name}", b"rows")
"""


@pytest.fixture(autouse=True)
def edit(tmp_path, monkeypatch):
    """Replace this project by one of two modules; `edit(name, text)` changes one of them."""
    cached_names = ("module_of", "file_of", "import_closure", "_imports", "_tree", "code_hash")
    caches = [getattr(source, name) for name in cached_names]

    def _edit(name, text):
        (tmp_path / "project/shop").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"project/shop/{name}.py").write_text(text)
        for cached in caches:
            cached.cache_clear()

    monkeypatch.setattr(source, "ROOT", tmp_path / "project")
    _edit("fast", FAST)
    _edit("slow", FAST.replace("2", "1"))
    yield _edit
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()


def rows_of(values, metric="response_mean_s", coordinate=NONE, replication=0):
    return [(draw, replication, metric, coordinate, value) for draw, value in enumerate(values)]


def evaluated(cell):
    """Return an evaluation of a cell.

    A cell is rows, values by draw, one value if nothing varies between draws, an exception to raise, or "unstable", for
    which draw 1 is refused.
    """
    if isinstance(cell, Exception):
        raise cell
    if cell == "unstable":
        refusals = [SimpleNamespace(draw=1, status=cell, reason="too fast")]
        return SimpleNamespace(rows=rows_of(A)[:1], refusals=refusals, simulated=False, varies_with="draw")
    if isinstance(cell, float):
        return SimpleNamespace(rows=rows_of([cell]), refusals=[], simulated=False, varies_with="nothing")
    return SimpleNamespace(
        rows=cell if isinstance(cell[0], tuple) else rows_of(cell), refusals=[], simulated=False, varies_with="draw"
    )


def case_of(scheme, load_text):
    return {"scheme": {"_target_": f"shop.{scheme}.Scheme"}, "load": load_text}


def point_of(*key):
    return identity_of(case_of(*key)).point


def record_of(keys, **fields):
    """Return the record of a sweep over a scheme and a load."""
    entries = [
        {
            "point": point_of(*key),
            "configuration": identity_of(case_of(*key)).configuration,
            "variant": number,
            "axes": dict(zip(AXES, key, strict=True)),
        }
        for number, key in enumerate(keys)
    ]
    variants = [{"settings": {}, "targets": [f"shop.{scheme}"]} for scheme, _ in keys]
    sweep = {"points": entries, "variants": variants, "axes": AXES, "draws": 4, "replications": 1, "fixed": []}
    return sweep | fields


def swept(folder, cells, name="x", draws=4, replications=1):
    """Return a store with an experiment over a scheme and a load.

    `cells` are evaluated by `evaluated`; nothing is computed for None.
    """
    store, part = Store(folder), Part(range(draws), range(replications))
    for key, cell in cells.items():
        with suppress(Exception):
            item = WorkItem(point_of(*key), case_of(*key), [part] if cell is not None else [])
            do_work(store, item, lambda *_, cell=cell: evaluated(cell))
    store.write_experiment(name, record_of(cells, draws=draws, replications=replications))
    return store


@pytest.fixture
def run_command(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command on `tmp_path / "store"`, for its outputs."""

    def _run_command(*words):
        monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
        monkeypatch.setattr(sys, "argv", ["store", *map(str, words), "--store", str(tmp_path / "store")])
        commands.main()
        return capsys.readouterr()

    return _run_command


@pytest.fixture
def started():
    """Return a function that starts a process and waits for its first line."""
    processes = []

    def _started(code, line):
        process = Popen([sys.executable, "-c", code], cwd=ROOT, stdin=PIPE, stdout=PIPE)
        processes.append(process)
        assert process.stdout.readline() == line
        return process

    yield _started
    for process in processes:
        process.communicate()


@pytest.fixture
def held(tmp_path, started):
    """Return a function that starts a process which holds a point."""
    return lambda point: started(HOLD.format(folder=tmp_path / "store", point=point), b"held\n")


@pytest.fixture
def writing(tmp_path, started):
    """Return a function that starts a writer and returns its temporary files."""

    def _writing(name):
        started(WRITE.format(folder=tmp_path / "store", name=name), b"writing\n")
        return list((tmp_path / "store" / name).parent.glob(f"{TEMPORARY}*"))

    return _writing


ALL_KINDS = {
    ("fast", "0.1"): A,
    ("fast", "0.2"): "unstable",
    ("fast", "0.3"): InputError("load = 0.3: broke"),
    ("slow", "0.3"): InputError("load = 0.3: broke"),
    ("slow", "0.1"): DataUnavailableError("no data here"),
    ("slow", "0.2"): None,
}


def test_status_counts_every_status_and_gives_each_reason_once(tmp_path, run_command):
    store = swept(tmp_path / "store", ALL_KINDS)
    (row,) = experiment_status(store, ["x"])[0].to_dict("records")
    counts = {"points": 6, "done": 2, "refused": 1, "skipped": 1, "failed": 2, "missing": 1, "running": 0}
    assert {name: row[name] for name in counts} == counts
    out = run_command("status", "x").out
    assert out.count("load = 0.3: broke") == 1
    assert "failed (2): load = 0.3: broke [last 20" in out
    assert f"on {current_provenance()['machine']['name']}, point {point_of('slow', '0.3')}]" in out
    assert "skipped (1): no data here" in out
    assert "too fast" not in out  # a refusal is a result


def test_points_of_a_module_that_is_gone_are_outdated(tmp_path, run_command, edit):
    swept(tmp_path / "store", {("fast", "0.1"): A, ("slow", "0.1"): B})
    (tmp_path / "project/shop/fast.py").unlink()
    edit("slow", FAST.replace("2", "1"))
    assert run_command("status", "x").out.splitlines()[1].split()[:7] == ["x", "2", "1", "0", "0", "0", "1"]
    with pytest.warns(StoreWarning, match=r"1 of 2 points of x was computed by other .* \(shop.fast changed\)"):
        run_command("collect", "x", "--to", tmp_path / "x.csv")


def test_code_that_is_no_python_is_an_error_with_its_line(tmp_path, run_command, edit):
    swept(tmp_path / "store", {("fast", "0.1"): A})
    edit("fast", "speed = 1\ndef (\n")
    with pytest.raises(SystemExit, match=r"error: code = def \(: line 2 of a module that points use is no Python"):
        run_command("status", "x")


def test_the_work_left_is_estimated_from_the_most_similar_points(tmp_path):
    store = swept(tmp_path / "store", ALL_KINDS | {("slow", "0.3"): None, ("fast", "0.3"): None})
    (row,) = experiment_status(store, ["x"])[0].to_dict("records")
    took_s = load_points("x", store.folder).set_index("point")["duration_s"]
    fast_s = [took_s[point_of("fast", "0.1")], took_s[point_of("fast", "0.2")]]
    assert row["done_s"] == pytest.approx(took_s.sum())
    # Ahead are (fast, 0.3), like both; (slow, 0.2), like (fast, 0.2); and (slow, 0.3), like none more than the other.
    assert row["left_s"] == pytest.approx(sum(fast_s) / 2 + fast_s[1] + sum(fast_s) / 2)
    longest_s = max(row["left_s"] / os.cpu_count(), fast_s[1], sum(fast_s) / 2)
    assert row["left_wall_s"] == pytest.approx(longest_s)


def test_the_time_of_more_draws_is_estimated_from_computed_draws():
    axes = np.array([["a", "1"], ["a", "2"], ["b", "2"], ["b", "3"]])
    ahead = left_s(axes, np.array([6, 2, 0, 1]), np.array([0.5, NONE, 3.0, NONE]))
    assert ahead.tolist() == [6 * 0.5, 2 * (0.5 + 3.0) / 2, 0.0, 3.0]


def test_the_time_left_is_unknown_if_nothing_was_computed(tmp_path, run_command):
    swept(tmp_path / "store", {("fast", "0.1"): None})
    assert run_command("status").out.splitlines()[1].split()[-2:] == ["unknown", "unknown"]
    with pytest.raises(SystemExit, match="error: experiment = y: not in"):
        run_command("status", "y")


def test_a_point_that_is_being_computed_counts_as_running_and_prevents_pruning(tmp_path, run_command, held, edit):
    store = swept(tmp_path / "store", ALL_KINDS)
    edit("fast", FAST.replace("2", "3"))
    other = held(point_of("slow", "0.2"))
    assert experiment_status(store, ["x"])[0]["running"].tolist() == [1]
    with pytest.raises(SystemExit, match=r"error: store = .*: a sweep is using it"):
        run_command("prune", "--delete")
    other.communicate()
    assert experiment_status(store, ["x"])[0]["running"].tolist() == [0]
    run_command("prune", "--delete")
    assert prunable(store).empty


def test_reading_commands_do_not_change_a_store(tmp_path, run_command):
    store = swept(tmp_path / "store", {("fast", "0.1"): A})
    before = sorted(store.folder.rglob("*"))
    for words in (["status"], ["collect", "x"], ["show", point_of("fast", "0.1")], ["prune"], ["dictionary", "x"]):
        run_command(*words)
    assert sorted(store.folder.rglob("*")) == before


def test_collect_filters_rows_and_reports_incomplete_points(tmp_path, run_command):
    swept(tmp_path / "store", ALL_KINDS | {("fast", "0.1"): rows_of(A) + rows_of(B, "waiting_mean_s")})
    shown = run_command("collect", "x", "--where", "load=0.10", "scheme=fast,slow", "--metric", "waiting_mean_s")
    table = pd.read_csv(StringIO(shown.out))
    assert list(table) == ["experiment", "point", "scheme", "load", *MEASURED, *OF_POINT]
    assert table["value"].tolist() == B
    assert set(table["experiment"]) == {"x"}
    assert shown.err.startswith("left out: 1 of 2 points is incomplete")


def test_collect_of_several_experiments_has_the_axes_of_all(tmp_path):
    store = swept(tmp_path / "store", {("fast", "0.1"): A})
    point = {"point": point_of("fast", "0.1"), "axes": {"servers": "20"}}
    store.write_experiment("y", {"points": [point], "axes": ["servers"], "draws": 2, "replications": 1, "fixed": []})
    rows = collect(["x", "y"], store.folder).rows
    assert list(rows)[:5] == ["experiment", "point", "scheme", "load", "servers"]
    assert rows.groupby("experiment").size().to_dict() == {"x": 4, "y": 2}
    assert rows.loc[rows["experiment"] == "y", "scheme"].isna().all()
    assert set(collect(["x", "y"], store.folder, {"load": ["0.1"]}).rows["experiment"]) == {"x"}


def test_collect_takes_a_text_for_a_list_of_one(tmp_path):
    store = swept(tmp_path / "store", {("fast", "0.1"): rows_of(A) + rows_of(B, "waiting_mean_s"), ("slow", "0.1"): A})
    texts = collect("x", store.folder, {"scheme": "fast"}, "waiting_mean_s").rows
    pd.testing.assert_frame_equal(texts, collect(["x"], store.folder, {"scheme": ["fast"]}, ["waiting_mean_s"]).rows)
    assert texts["value"].tolist() == B


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--where", "laod=0.1"], "where = laod: there is no such name; choose load$"),
        (["--where", "load=0.7"], "load = 0.7: there is no such name; choose 0.3 or 0.2 or 0.1$"),
        (["--where", "load"], "axis = load: write axis=value"),
        (["--metric", "respons_mean_s"], "metric = respons_mean_s: there is no such name; choose response_mean_s$"),
        (["--to", "rows.txt"], r"to = rows.txt: must end in .csv, .parquet, .tex or .md$"),
    ],
)
def test_collect_suggests_known_names_and_values(tmp_path, run_command, words, message):
    swept(tmp_path / "store", ALL_KINDS)
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        run_command("collect", "x", *words)


@pytest.mark.parametrize(("name", "read"), [("t/rows.csv", pd.read_csv), ("t/rows.parquet", pd.read_parquet)])
def test_a_collected_row_has_its_provenance(tmp_path, run_command, name, read):
    store = swept(tmp_path / "store", {("fast", "0.1"): A[:3]}, draws=3)
    later = Part(range(3, 5), range(1))
    do_work(store, WorkItem(point_of("fast", "0.1"), case_of("fast", "0.1"), [later]), lambda *_: evaluated([*A, 9.0]))
    store.write_experiment("x", store.sweeps("x")[-1] | {"draws": 5})
    run_command("collect", "x", "--provenance", "--to", tmp_path / name)
    rows = read(tmp_path / name).set_index("draw")
    parts = load_provenance("x", store.folder)
    assert parts["draws"].tolist() == [range(3), range(3, 5)]
    assert rows["duration_s"].tolist() == pytest.approx([*[parts["duration_s"][0]] * 3, *[parts["duration_s"][1]] * 2])
    assert set(rows["commit"]) == {current_provenance()["commit"]}
    assert set(rows["machine"]) == {current_provenance()["machine"]["name"]}


def test_show_prints_everything_about_a_point(tmp_path, run_command, edit):
    swept(tmp_path / "store", {("fast", "0.1"): A})
    point = point_of("fast", "0.1")
    out = run_command("show", point[:6]).out
    sections = dict(text.split("\n", 1) for text in out.split("\n\n"))
    assert sections[f"point {point}"] == "  ok at draws=4 replications=1"
    assert sections["experiments"] == "  x: scheme=fast load=0.1"
    assert yaml.safe_load(sections["configuration"]) == case_of("fast", "0.1")
    assert "unchanged since" in sections["code"]
    assert "response_mean_s" in sections["means"]
    half_width = stats.t.ppf(0.975, 3) * stats.sem(A)
    assert f"2.5 ± {half_width:.3g} over 4 draws" in sections["means"]
    edit("fast", FAST.replace("2", "3"))
    assert "1 module, changed since: shop.fast" in run_command("show", point).out


def test_show_prints_the_traceback_of_a_failure(tmp_path, run_command):
    swept(tmp_path / "store", ALL_KINDS)
    out = run_command("show", point_of("fast", "0.3")).out
    assert "failed at draws=4 replications=1\n  load = 0.3: broke" in out
    assert "in evaluated\n      raise cell\n  system.errors.InputError: load = 0.3: broke" in out
    assert "means" not in out


def test_show_reports_damaged_rows_in_one_sentence(tmp_path, run_command):
    store, point = swept(tmp_path / "store", {("fast", "0.1"): A}), point_of("fast", "0.1")
    swept(tmp_path / "store", {("slow", "0.1"): B})  # the same experiment, now without the point
    next((store.folder / "rows").glob(f"{point}.*")).write_bytes(b"half a file")
    with pytest.warns(StoreWarning), pytest.raises(SystemExit, match=f"error: point = {point}: its files were damaged"):
        run_command("show", point)


def test_a_prefix_must_identify_one_point(tmp_path, run_command):
    store = swept(tmp_path / "store", ALL_KINDS)
    with pytest.raises(SystemExit, match=r"error: point = zz: no point in .* starts with this"):
        run_command("show", "zz")
    with pytest.raises(
        SystemExit, match=f"error: point = : 5 points start with this; give more digits: {store.points()[0]}, "
    ):
        run_command("show", "")


PAIR = {("fast", "0.1"): A, ("slow", "0.1"): B}


def test_the_interval_is_that_of_a_paired_t_test(tmp_path, run_command):
    swept(tmp_path / "store", PAIR)
    (row,) = compare_values("x", "scheme", ("fast", "slow"), RESPONSE, tmp_path / "store").table.to_dict("records")
    interval = stats.ttest_rel(B, A).confidence_interval(0.95)
    assert row["difference"] - row["half_width"] == pytest.approx(interval.low)
    assert row["difference"] + row["half_width"] == pytest.approx(interval.high)
    assert row["ratio"] == pytest.approx(sum(B) / sum(A))
    assert (row["mean_a"], row["mean_b"], row["pairs"], row["reason"]) == (np.mean(A), np.mean(B), 4, "")
    out = run_command("compare", "x", "scheme=fast,slow", "--to", tmp_path / "compared.csv").out.splitlines()
    assert out[0].startswith("response_mean_s; difference is scheme=slow - scheme=fast over paired draws")
    assert out[1].split() == ["load", "scheme=fast", "scheme=slow", "difference", "±", "ratio", "pairs"]
    assert out[2].split() == ["0.1", "2.5", "3.75", "1.25", f"{row['half_width']:.3g}", "1.5", "4"]
    assert pd.read_csv(tmp_path / "compared.csv")["difference"].tolist() == [1.25]


def test_replications_are_averaged_within_a_draw(tmp_path):
    twice = [*rows_of(np.add(A, 1.0)), *rows_of(np.subtract(A, 1.0), replication=1)]
    swept(
        tmp_path, {("fast", "0.1"): twice, ("slow", "0.1"): [*rows_of(B), *rows_of(B, replication=1)]}, replications=2
    )
    (row,) = compare_values("x", "scheme", ("fast", "slow"), RESPONSE, tmp_path).table.to_dict("records")
    assert row["pairs"] == 4
    assert row["half_width"] == pytest.approx(stats.t.ppf(0.975, 3) * stats.sem(np.subtract(B, A)))


def test_one_value_is_compared_with_every_draw_of_the_other_side(tmp_path):
    swept(tmp_path, {("fast", "0.1"): 2.0, ("slow", "0.1"): B})
    (row,) = compare_values("x", "scheme", ("fast", "slow"), RESPONSE, tmp_path).table.to_dict("records")
    assert (row["mean_a"], row["mean_b"], row["pairs"]) == (2.0, pytest.approx(np.mean(B)), len(B))
    assert row["half_width"] == pytest.approx(mean_interval(B).half_width)
    (back,) = compare_values("x", "scheme", ("slow", "fast"), RESPONSE, tmp_path).table.to_dict("records")
    assert back["difference"] == pytest.approx(-row["difference"])


def test_two_sides_in_which_nothing_varies_have_one_difference_and_no_interval(tmp_path, run_command):
    swept(tmp_path / "store", {("fast", "0.1"): 2.0, ("slow", "0.1"): 5.5})
    out = run_command("compare", "x", "scheme=fast,slow").out.splitlines()
    assert out[2].split() == ["0.1", "2", "5.5", "3.5", "2.75", "1"]
    assert out[3] == "nothing varies between draws in 1 of 1 comparison: one value, no interval"
    assert load_points("x", tmp_path / "store")[["draws", "varies"]].to_numpy().tolist() == [[1, False]] * 2


def test_a_card_says_where_nothing_varies(tmp_path):
    store = swept(tmp_path, {("fast", "0.1"): 2.0, ("slow", "0.1"): [3.0] * 4})
    lines = point_card(store, point_of("fast", "0.1"), 4, 1).splitlines()
    assert lines[1].split() == ["response_mean_s", "2"]
    assert lines[2] == "(nothing varies between draws, so each metric has one value and no interval)"
    (_, same) = point_card(store, point_of("slow", "0.1"), 4, 1).splitlines()
    assert same.split(maxsplit=1) == ["response_mean_s", "3 in each of 4 draws"]


def test_compare_needs_a_quantile_that_exists(tmp_path):
    quantiles = [row for quantile in (0.5, 0.95) for row in rows_of(A, "response_quantile_s", quantile)]
    swept(tmp_path, {key: rows_of(A) + quantiles for key in PAIR})
    choose = "choose one of 0.5, 0.95$"
    for quantile, message in [(None, f"at = none: .*{choose}"), (0.9, f"at = 0.9: .*{choose}")]:
        with pytest.raises(InputError, match=message):
            compare_values("x", "scheme", ("fast", "slow"), Measure("response_quantile_s", quantile), tmp_path)
    with pytest.raises(InputError, match=r"at = 0.5: response_mean_s has no such value; leave it out"):
        compare_values("x", "scheme", ("fast", "slow"), Measure("response_mean_s", 0.5), tmp_path)
    comparison = compare_values("x", "scheme", ("fast", "slow"), Measure("response_quantile_s", 0.95), tmp_path)
    assert comparison.table["pairs"].tolist() == [4]


def test_points_that_cannot_be_compared_are_listed_with_reasons(tmp_path, run_command):
    lacks_a_draw = rows_of(A)[:3] + rows_of(A, "waiting_mean_s")
    swept(
        tmp_path / "store",
        ALL_KINDS
        | {("slow", load): B for load in ("0.1", "0.2", "0.4")}
        | {("fast", "0.5"): A, ("slow", "0.5"): lacks_a_draw, ("fast", "0.6"): A, ("slow", "0.6"): A[:1]},
    )
    table = compare_values("x", "scheme", ("fast", "slow"), RESPONSE, tmp_path / "store").table.set_index("load")
    reasons = {
        0.1: "",
        0.2: "scheme=fast: unstable: 1 of 4 draws, the first: too fast",
        0.3: "scheme=fast: failed: load = 0.3: broke; scheme=slow: failed: load = 0.3: broke",
        0.4: "scheme=fast: no such point",
        0.5: "scheme=slow: has no response_mean_s in draws 3",
        0.6: "scheme=fast has 4 draws, scheme=slow has 1",
    }
    assert table["reason"].to_dict() == reasons
    assert table["difference"].notna().to_dict() == {load: not reason for load, reason in reasons.items()}
    out = run_command("compare", "x", "scheme=fast,slow").out
    assert "not compared (1): scheme=fast: no such point [load=0.4]" in out


def test_two_versions_of_the_code_in_two_stores(tmp_path, edit):
    swept(tmp_path / "old", PAIR | {("slow", "0.2"): A})
    edit("fast", FAST.replace("2", "3"))
    swept(tmp_path / "new", {("fast", "0.1"): B, ("slow", "0.1"): B, ("fast", "0.3"): A, ("slow", "0.2"): None})
    comparison = compare_stores("x", tmp_path / "old", RESPONSE, tmp_path / "new")
    assert comparison.modules == ["shop.fast"]
    changed, same, alone, missing = comparison.table.to_dict("records")
    assert changed["difference"] == pytest.approx(np.mean(B) - np.mean(A))
    assert (same["difference"], same["half_width"], same["ratio"]) == (0.0, 0.0, 1.0)
    assert alone["reason"] == "other code: no point of this configuration"
    assert missing["reason"] == "this code: missing: not computed yet"
    with pytest.raises(InputError, match=r"with_store = .*nowhere: it holds no points"):
        compare_stores("x", tmp_path / "nowhere", RESPONSE, tmp_path / "new")


@pytest.mark.parametrize("years", [(2031, 2030), (2030, 2031)])
def test_the_latest_of_several_other_versions_is_compared(tmp_path, edit, years):
    for year, speed in zip(years, ("3", "4"), strict=True):
        edit("fast", FAST.replace("2", speed))
        store = swept(tmp_path / "old", {("fast", "0.1"): A if year == 2031 else B})
        name = f"points/{point_of('fast', '0.1')}.d0-4.r0-1.json"
        store.files.write_json(
            name, store.files.read_json(name, shapes.RECORD) | {"started": f"{year}-01-01T00:00:00+00:00"}
        )
    edit("fast", FAST)
    swept(tmp_path / "new", {("fast", "0.1"): A})
    assert compare_stores("x", tmp_path / "old", RESPONSE, tmp_path / "new").table["difference"].tolist() == [0.0]


def test_two_versions_of_the_code_in_one_store(tmp_path, edit, run_command, monkeypatch):
    for commit, speed, values in [("abc1", "2", A), ("fed2", "3", A[::-1]), ("fed3", "4", B)]:
        monkeypatch.setattr(work, "current_provenance", lambda commit=commit: current_provenance() | {"commit": commit})
        edit("fast", FAST.replace("2", speed))
        store = swept(tmp_path / "store", {("fast", "0.1"): values, ("slow", "0.1"): values})
    comparison = compare_commits("x", "abc", RESPONSE, store.folder)
    fast, slow = comparison.table.to_dict("records")
    assert fast["half_width"] == pytest.approx(stats.t.ppf(0.975, 3) * stats.sem(np.subtract(B, A)))
    assert slow["difference"] == 0.0  # its code is that of abc1 still, and so is its point
    assert comparison.modules == ["shop.fast"]
    out = run_command("compare", "x", "--with-commit", "fed2").out
    assert "not compared (1): other code: no point of this configuration [scheme=slow load=0.1]" in out
    assert "code that differs: shop.fast" in out
    for name, message in [
        ("123", "with_commit = 123: computed no such point; the commits that did are abc1, fed2, fed3"),
        ("fed", r"with_commit = fed: has several versions; name one of them: fed2 \(1 point, 20.*\), fed3 \(1 point"),
    ]:
        with pytest.raises(SystemExit, match=message):
            run_command("compare", "x", "--with-commit", name)


def test_readers_name_the_points_that_other_code_computed(tmp_path, run_command, edit):
    store = swept(tmp_path / "store", PAIR | {("fast", "0.2"): A})
    took_s = load_points("x", store.folder).set_index("point")["duration_s"]
    edit("fast", FAST.replace("2", "3"))
    note = "2 of 3 points of x were computed by other code or data (shop.fast changed): scheme=fast"
    for words in (["collect", "x"], ["compare", "x", "scheme=fast,slow"]):
        with pytest.warns(StoreWarning, match=re.escape(note)):
            assert "fast" in run_command(*words).out  # they are there
    with pytest.warns(StoreWarning, match=re.escape(note)):
        assert len(load("x", store.folder)) == 12
    with warnings.catch_warnings(action="error"):
        assert load("x", store.folder, outdated=False)["scheme"].unique().tolist() == ["slow"]
        assert collect(["x"], store.folder, outdated=False).rows["scheme"].unique().tolist() == ["slow"]
    assert load_points("x", store.folder).set_index("point")["is_current"].sum() == 1
    (row,) = experiment_status(store, ["x"])[0].to_dict("records")
    assert {name: row[name] for name in ("done", "missing", "outdated")} == {"done": 1, "missing": 2, "outdated": 2}
    outdated_s = took_s.drop(point_of("slow", "0.1")).sum()
    assert (row["left_s"], row["done_s"]) == pytest.approx((outdated_s, took_s.sum() - outdated_s))


def test_points_that_the_current_code_has_computed_too_take_the_place_of_others(tmp_path, edit):
    keys = [("fast", "0.1"), ("fast", "0.2"), ("slow", "0.1")]
    store = swept(tmp_path, dict.fromkeys(keys, A))
    old = [point_of(*key) for key in keys]
    edit("fast", FAST.replace("2", "3"))
    swept(tmp_path, {keys[0]: B}, name="y")
    store.write_experiment("x", record_of(keys[:1], words=["load=0.1"]))
    points = load_points("x", tmp_path)
    assert points["point"].tolist() == [old[1], old[2], point_of("fast", "0.1")]
    assert points["is_current"].tolist() == [False, True, True]
    with pytest.warns(
        StoreWarning, match="1 of 3 points of x was computed by other code or data .*: scheme=fast load=0.2;"
    ):
        assert load("x", tmp_path).query("load == 0.1 and scheme == 'fast'")["value"].tolist() == B
    edit("fast", FAST)  # back to the first version: now its points are the current ones
    assert load_points("x", tmp_path)["point"].tolist() == old


def test_sweeps_are_listed_shown_and_removed(tmp_path, run_command):
    store = swept(tmp_path / "store", {("fast", "0.1"): A, ("fast", "0.2"): InputError("broke"), ("slow", "0.1"): None})
    store.write_experiment("x", record_of([("fast", "0.1"), ("slow", "0.1")], words=["experiment=x", "scheme=all"]))
    lines = run_command("sweeps", "x").out.splitlines()
    counts = [line.split() for line in lines[1:3]]
    assert [words[0] for words in counts] == ["1", "2"]
    assert [words[3:8] for words in counts] == [["3", "1", "1", "1", "0"], ["2", "1", "0", "1", "0"]]
    assert lines[2].endswith("  python run.py -m experiment=x scheme=all draws=4 replications=1")
    assert lines[3] == "x is all of them: 3 points"
    shown = run_command("sweeps", "x", "2").out
    assert "axis scheme: fast, slow" in shown
    assert point_of("slow", "0.1") in shown
    assert point_of("fast", "0.2") not in shown
    with pytest.raises(SystemExit, match="sweep = 3: the sweeps of x are 1 to 2"):
        run_command("sweeps", "x", "--remove", "3")
    assert "x is all of them: 2 points" in run_command("sweeps", "x", "--only", "2").out
    assert load_points("x", store.folder)["status"].tolist() == ["ok", "missing"]
    assert len(store.points()) == 2  # no point is lost
    assert run_command("sweeps", "x", "--remove", "1").out == "x has no sweeps now; its points stay in the store\n"
    assert store.experiment_names() == []


def test_prune_lists_and_deletes_only_points_of_old_code(tmp_path, run_command, edit):
    store = swept(tmp_path / "store", ALL_KINDS | {("slow", "0.4"): A})
    (sweep,) = store.sweeps("x")
    store.write_experiment("x", sweep | {"points": sweep["points"][:-1]})
    kept = {point_of("slow", load) for load in ("0.1", "0.3", "0.4")}  # one of them in no experiment
    edit("fast", FAST.replace("2", "3"))
    slow = load("x", store.folder, outdated=False).query("scheme == 'slow'")
    out = run_command("prune").out
    assert "points of other code (3):" in out
    assert "x: other code computed 3 of its 6 points" in out
    assert len(store.points()) == 6  # nothing is deleted yet
    run_command("prune", "--delete")
    assert set(store.points()) == kept
    assert {path.name.split(".")[0] for path in (store.folder / "rows").iterdir()} == {point_of("slow", "0.4")}
    assert slow.to_dict("list") == load("x", store.folder).query("scheme == 'slow'").to_dict("list")
    assert run_command("prune").out == "nothing to prune\n"


def test_an_edited_comment_makes_nothing_prunable(tmp_path, edit):
    store = swept(tmp_path, {("fast", "0.1"): A})
    edit("fast", FAST.replace("Fast.", "Very fast.") + "# why\n")
    assert prunable(store).empty


def test_prune_deletes_files_of_killed_writers_but_none_of_living_ones(tmp_path, run_command, writing):
    store = swept(tmp_path / "store", {("fast", "0.1"): A, ("slow", "0.1"): A})
    (store.folder / f"points/{point_of('slow', '0.1')}.d0-4.r0-1.json").unlink()
    store.files.write("expansions/ab12.json", b"[]")
    store.files.write("aside/points-cd34.json", b"{")
    (store.folder / "points/.tmp-killed").write_bytes(b"half of a record")
    (new,) = writing("rows/new.parquet")
    lonely = f"rows/{point_of('slow', '0.1')}.d0-4.r0-1.parquet"
    names = {"expansions/ab12.json", "aside/points-cd34.json", "points/.tmp-killed", lonely}
    assert set(prunable(store)["name"]) == names
    assert "left by a killed writer      2" in run_command("prune", "--delete").out
    assert not any((store.folder / name).exists() for name in names)
    assert new.exists()
    assert len(load("x", store.folder)) == 4


def test_the_commands_on_a_real_sweep(tmp_path):
    words = ("network=european", "draws=2", "evaluator=exact", "tuning.capacity=6,7", "hydra/launcher=basic")
    swept = command("run.py", "-m", *words, f"store={tmp_path}")
    assert swept.returncode == 0, swept.stderr
    expected_lines = {
        ("status",): "unnamed          2     2        0",
        (
            "compare",
            "unnamed",
            "tuning.capacity=6,7",
        ): "response_mean_s; difference is tuning.capacity=7 - tuning.capacity=6 over paired draws",
        ("dictionary", "unnamed"): "waiting_probability  ",
    }
    for words, expected in expected_lines.items():
        done = command("-m", "store", *words, "--store", tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert expected in done.stdout
    wrong = command("-m", "store", "show", "nothing", "--store", tmp_path)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith(f"error: point = nothing: no point in {tmp_path} starts with this; ")
    assert wrong.stderr.count("\n") == 1
