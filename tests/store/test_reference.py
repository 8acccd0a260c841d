"""Reference rows, and the comparison of recomputed rows with them, in a made-up store."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from store.disk.parts import Part
from store.disk.provenance import current_provenance
from store.disk.store import Store
from store.tables import verification
from store.tables.precision import widest_interval
from store.tables.reading import load, load_points
from store.tables.reference import platform_of, reference_rows, write_reference
from store.tables.statistics import intervals_over_draws, mean_interval
from store.tables.verification import verify
from system import InputError
from tests.support.project import script
from tests.support.stored import note, record

CASE = {"seed": 7}
NONE = float("nan")


def rows_of(values, metric="response_mean_s", coordinate=NONE):
    return [(draw, 0, metric, coordinate, value) for draw, value in enumerate(values)]


def store_of(folder, points, draws=3):
    """Return a store with experiment `x`, axes `load` and `evaluator`, and these rows."""
    store = Store(folder)
    entries = []
    for number, ((load_text, evaluator), rows) in enumerate(points.items()):
        refusals = [] if rows else [(draw, "unstable", "too fast") for draw in range(draws)]
        simulated = evaluator == "simulation"
        made = record(refusals=refusals, configuration=CASE, simulated=simulated)
        store.commit(f"a{number}", Part(range(draws), range(1)), rows, made)
        axes = {"load": load_text, "evaluator": evaluator}
        entries.append({"point": f"a{number}", "axes": axes, "is_declared": True})
    sweep = {"points": entries, "axes": ["load", "evaluator"], "draws": draws, "replications": 1, "fixed": ["seed=7"]}
    store.write_experiment("x", sweep)
    return folder


POINTS = {
    ("10", "exact"): rows_of([1.0, 2.0, 3.0]) + rows_of([1.0, 2.0], "share", 0.5),
    ("9", "simulation"): rows_of([4.0, 5.0, 9.0]),
    ("11", "exact"): [],
}


def table_of(folder):
    return reference_rows(load("x", folder), load_points("x", folder))


def test_intervals_are_those_of_single_means():
    rng = np.random.default_rng(3)
    shape = pd.MultiIndex.from_product([["a", "b"], range(5), range(2)], names=["key", "draw", "replication"])
    rows = pd.DataFrame({"value": rng.normal(size=20)}, index=shape).reset_index()
    for _, row in intervals_over_draws(rows, ["key"]).iterrows():
        by_draw = rows[rows["key"] == row["key"]].groupby("draw")["value"].mean()
        assert (row["mean"], row["half_width"], row["draws"]) == pytest.approx(tuple(mean_interval(by_draw)))


def test_a_single_draw_has_no_half_width():
    (row,) = intervals_over_draws(pd.DataFrame({"key": ["a"], "draw": [0], "value": [2.0]}), ["key"]).to_numpy()
    assert row[1] == 2.0
    assert np.isnan(row[2])


def test_rows_are_ordered_by_numbers(tmp_path):
    table = table_of(store_of(tmp_path, POINTS))
    assert list(table.columns) == ["load", "evaluator", "metric", "at", "mean", "half_width", "draws", "status"]
    assert table["load"].tolist() == [9, 10, 10, 11]
    assert table["mean"].tolist()[:2] == [6.0, 2.0]


def test_a_mean_needs_all_draws_and_a_refused_point_has_a_row(tmp_path):
    table = table_of(store_of(tmp_path, POINTS)).set_index("metric")
    assert np.isnan(table.loc["share", "mean"])
    assert table.loc["share", "draws"] == 2
    refused = table[table["status"] == "unstable"]
    assert len(refused) == 1
    assert refused["draws"].tolist() == [0]
    assert refused["mean"].isna().all()


def test_curves_are_left_out(tmp_path):
    curve = [row for n in range(41) for row in rows_of([1.0, 1.0, 1.0], "cdf", float(n))]
    quantiles = [row for n in range(40) for row in rows_of([1.0, 1.0, 1.0], "quantile_s", float(n))]
    table = table_of(store_of(tmp_path, {("1", "exact"): curve + quantiles}))
    assert set(table["metric"]) == {"quantile_s"}
    assert len(table) == 40


def notes_of(folder, statuses, rows):
    """Return a store with the experiment `fig3b`, with points of these statuses."""
    store, entries = Store(folder), []
    for number, status in enumerate(statuses):
        point, axes = f"b{number}", {"constants": "paper", "demand.load": f"0.{number + 1}", "evaluator": "exact"}
        if status in ("skipped", "failed"):
            store.leave_unfinished(point, note(configuration=CASE, status=status, reason="no data"))
        else:
            refusals = [] if status == "ok" else [(draw, status, "too small") for draw in range(3)]
            made = record(configuration=CASE, simulated=False, refusals=refusals)
            store.commit(point, Part(range(3), range(1)), rows if status == "ok" else [], made)
        entries.append({"point": point, "axes": axes})
    store.write_experiment("fig3b", {"points": entries, "axes": list(axes), "draws": 3, "replications": 1, "fixed": []})
    return folder


@pytest.mark.parametrize(
    "statuses",
    [
        ("skipped",),
        ("failed", "failed"),
        ("infeasible",),
        ("unstable", "skipped"),
        ("ok", "skipped"),
        ("ok", "infeasible"),
    ],
)
def test_points_without_rows_have_a_status_and_no_figure(tmp_path, statuses):
    store = notes_of(tmp_path / "store", statuses, rows_of([1.0, 2.0, 3.0]))
    done = script("plot.py", "fig3b", "--store", store, "--to", tmp_path / "fig", "--rows", tmp_path / "rows")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "rows/fig3b.csv")
    assert table["status"].tolist() == list(statuses)
    assert table["draws"].tolist() == [3 if status == "ok" else 0 for status in statuses]
    drawn = "ok" in statuses
    assert (tmp_path / "fig/fig3b.png").is_file() is drawn
    assert ("nothing to draw" in done.stdout) is not drawn
    assert drawn or all(f"{status} (" in done.stdout for status in statuses)
    assert list(yaml.safe_load((tmp_path / "rows/provenance.yaml").read_text())) == ["fig3b"]
    again = script("plot.py", "--store", store, "--verify", tmp_path / "rows")
    assert "0 disagree" in again.stdout


@pytest.fixture
def reference(tmp_path):
    """Return the folder of reference rows of `POINTS`."""
    write_reference(store_of(tmp_path / "store", POINTS), ["x"], tmp_path / "rows")
    return tmp_path / "rows"


def test_numbers_have_six_digits_and_a_provenance(reference):
    lines = (reference / "x.csv").read_text().splitlines()
    half_width = mean_interval([1.0, 2.0, 3.0]).half_width
    assert f"10,exact,response_mean_s,,2,{half_width:.6g},3,ok" in lines
    made = yaml.safe_load((reference / "provenance.yaml").read_text())["x"]
    assert made["command"] == "python run.py -m experiment=x seed=7 draws=3 replications=1"
    assert made["seeds"] == [7]
    assert made["platforms"] == [platform_of(current_provenance())]


def test_own_points_have_rows_and_a_command_apart_from_declared_ones(tmp_path):
    folder = store_of(tmp_path / "store", POINTS)
    view = Store(folder).experiment("x")
    view["points"][1]["is_declared"] = False
    Store(folder).write_experiment("x", view)
    write_reference(folder, ["x"], tmp_path / "rows")
    assert pd.read_csv(tmp_path / "rows/x.csv")["load"].tolist() == [10, 10, 11]
    assert pd.read_csv(tmp_path / "rows/x_own.csv")["load"].tolist() == [9]
    made = yaml.safe_load((tmp_path / "rows/provenance.yaml").read_text())
    assert [" seed=7 " in made[name]["command"] for name in ("x", "x_own")] == [False, True]
    assert len(verify(folder, "x", tmp_path / "rows").rows) == 4
    (tmp_path / "rows/x_own.csv").unlink()
    with pytest.raises(InputError, match=r"experiment = x_own: no reference rows"):
        verify(folder, "x", tmp_path / "rows")


def test_command_of_embedded_data_can_be_typed_as_it_is(tmp_path):
    """Check that the experiment and its data are two words."""
    store = Store(store_of(tmp_path / "store", POINTS))
    view = store.experiment("x")
    view["points"] = [{**entry, "is_declared": number > 0} for number, entry in enumerate(view["points"])]
    store.write_experiment("x_embedded", view)
    write_reference(store.folder, ["x_embedded"], tmp_path / "rows")
    made = yaml.safe_load((tmp_path / "rows/provenance.yaml").read_text())
    assert made["x_embedded"]["command"] == "python run.py -m experiment=x data=embedded draws=3 replications=1"


def moved(by, key=("10", "exact")):
    """Return `POINTS` with the first mean of a point moved by a relative amount."""
    return POINTS | {
        key: [(*row, value * (1 + by) if row[2] == "response_mean_s" else value) for *row, value in POINTS[key]]
    }


@pytest.mark.parametrize(("by", "agrees"), [(0.0, True), (5e-7, True), (-5e-7, True), (1e-5, False), (-1e-5, False)])
def test_means_agree_to_a_millionth_in_addition_to_rounding(reference, tmp_path, by, agrees):
    result = verify(store_of(tmp_path / "again", moved(by)), "x", reference)
    assert result.wrong.empty is agrees
    assert len(result.rows) == 4
    assert f"4 rows compared, {0 if agrees else 1} disagree" in str(result)


def test_on_another_platform_simulated_means_agree_within_the_half_width(reference, tmp_path):
    half_width = mean_interval([4.0, 5.0, 9.0]).half_width / 6.0
    key = ("9", "simulation")
    within = store_of(tmp_path / "within", moved(0.9 * half_width, key))
    assert not verify(within, "x", reference).wrong.empty
    path = reference / "provenance.yaml"
    path.write_text(path.read_text().replace(current_provenance()["python"], "3.0"))
    assert verify(within, "x", reference).wrong.empty
    assert "another platform" in str(verify(within, "x", reference))
    assert not verify(store_of(tmp_path / "beyond", moved(1.1 * half_width, key)), "x", reference).wrong.empty
    assert not verify(store_of(tmp_path / "theory", moved(1e-5)), "x", reference).wrong.empty


def test_records_of_older_code_are_verified_without_tolerance(reference, tmp_path):
    """Remove from records what older code did not write."""
    key = ("9", "simulation")
    for by, agrees in [(0.0, True), (1e-5, False)]:
        folder = store_of(tmp_path / str(by), moved(by, key))
        for path in (folder / "points").glob("*.json"):
            record = json.loads(path.read_text())
            del record["simulated"]
            path.write_text(json.dumps(record))
        assert verify(folder, "x", reference).wrong.empty is agrees


def test_new_missing_and_changed_rows_disagree(reference, tmp_path):
    fewer = {key: rows for key, rows in POINTS.items() if key[0] != "9"}
    other = fewer | {("11", "exact"): rows_of([1.0, 1.0, 1.0]), ("12", "exact"): rows_of([1.0, 1.0, 1.0])}
    wrong = verify(store_of(tmp_path / "again", other), "x", reference).wrong.set_index("key")["wrong"]
    assert wrong["load=9, evaluator=simulation, response_mean_s"] == "not recomputed"
    assert wrong["load=12, evaluator=exact, response_mean_s"] == "not in the reference"
    assert len(wrong) == 4  # and the status of load 11, which is another row now


def test_rows_with_fewer_draws_disagree(reference, tmp_path):
    shorter = {key: [row for row in rows if row[0] < 2] for key, rows in POINTS.items() if rows}
    text = str(verify(store_of(tmp_path / "again", shorter, draws=2), "x", reference))
    assert "2 draws, was 3" in text


def test_an_experiment_without_reference_rows_is_an_error(reference, tmp_path):
    with pytest.raises(InputError, match=r"experiment = x: no reference rows .*x.csv"):
        verify(store_of(tmp_path / "again", POINTS), "x", tmp_path)


def test_the_command_fails_if_rows_disagree(reference, tmp_path):
    for by, code in [(0.0, 0), (0.01, 1)]:
        store = store_of(tmp_path / f"again{code}", moved(by))
        done = script("plot.py", "--store", store, "--verify", reference)
        assert done.returncode == code, done.stderr
        assert "x " in done.stdout
    assert "load=10, evaluator=exact, response_mean_s: 2.02, was 2" in done.stdout


def test_the_widest_interval_is_reported_with_its_point(tmp_path):
    folder = store_of(tmp_path, POINTS)
    ((line),) = widest_interval(load("x", folder), ["load", "evaluator"])
    widest = max(mean_interval(values) for values in ([4.0, 5.0, 9.0], [1.0, 2.0, 3.0]))
    relative = mean_interval([1.0, 2.0, 3.0]).half_width / 2.0
    assert relative > widest.half_width / widest.mean
    assert f"at most {relative:.1%} of their means (2 of 2 points above 5%), at load=10, evaluator=exact" in line
    assert widest_interval(pd.DataFrame(), ["load"]) == []


def test_verification_needs_an_experiment(tmp_path):
    done = script("plot.py", "--store", tmp_path / "store", "--verify", tmp_path / "rows")
    assert done.returncode == 1
    assert "it holds nothing to verify; run the experiments first" in done.stderr


def test_a_figure_that_cannot_be_made_does_not_hide_the_others(tmp_path):
    store = store_of(tmp_path / "store", POINTS)
    done = script("plot.py", "x", "fig8", "--store", store, "--to", tmp_path / "figures")
    assert done.returncode == 1
    assert (tmp_path / "figures/x.png").is_file()
    assert done.stderr.count("fig8: not in") == 1
    assert "experiment=fig8` first" in done.stderr


def test_an_experiment_of_which_other_code_computed_everything_is_an_error(reference, tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "reference_parts", lambda store, experiment: {})
    with pytest.raises(InputError, match=r"experiment = x: other code .*; run `python run.py -m experiment=x` again"):
        verify(store_of(tmp_path / "again", POINTS), "x", reference)
