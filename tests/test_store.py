"""Points on disk: parts, commits that are whole or absent, rows in a fixed order."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.outcome import outcome
from store.statistics import mean_interval
from store.store import Part, Store, missing_parts
from system import InputError

RECORD = {"duration_s": 0.5, "refusals": []}
ROWS = [(0, 0, "response_mean_s", float("nan"), 1.5), (0, 0, "response_quantile_s", 0.95, 4.0)]


def part(draws, replications=1, first_draw=0, first_replication=0):
    return Part(range(first_draw, draws), range(first_replication, replications))


def cells(parts):
    return [(draw, replication) for p in parts for draw in p.draws for replication in p.replications]


parts_strategy = st.builds(
    lambda a, b, c, d: Part(range(a, a + b), range(c, c + d)),
    *(st.integers(0, 5), st.integers(1, 5)) * 2,
)


@given(st.lists(parts_strategy, max_size=4), st.integers(1, 8), st.integers(1, 8))
def test_missing_parts_complete_what_is_there_and_repeat_nothing(committed, draws, replications):
    missing = cells(missing_parts(committed, draws, replications))
    wanted = {(d, r) for d in range(draws) for r in range(replications)}
    assert len(missing) == len(set(missing))
    assert set(missing) == wanted - set(cells(committed))


def test_an_empty_store_lacks_one_part_of_everything():
    assert missing_parts([], 20, 3) == [part(20, 3)]


def test_what_is_committed_comes_back(tmp_path):
    store = Store(tmp_path)
    store.commit("ab12", part(1), ROWS, RECORD)
    assert store.parts() == {"ab12": [part(1)]}
    rows = store.rows(["ab12"], 2, 1)
    assert list(rows.columns) == ["point", "draw", "replication", "metric", "at", "value"]
    assert rows["value"].tolist() == [1.5, 4.0]
    assert np.isnan(rows["at"][0])
    assert store.records("ab12", [part(1)])[0]["duration_s"] == 0.5


def test_rows_do_not_depend_on_the_order_or_overlap_of_commits(tmp_path):
    later = [(1, 0, "response_mean_s", float("nan"), 2.5)]
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    one.commit("ab12", part(2), ROWS + later, RECORD)
    other.commit("ab12", part(2, first_draw=1), later, RECORD)
    other.commit("ab12", part(1), ROWS, RECORD)
    other.commit("ab12", part(2), later + ROWS, RECORD)
    assert one.rows(["ab12"], 2, 1).equals(other.rows(["ab12"], 2, 1))


def test_rows_without_a_record_are_no_result(tmp_path, monkeypatch):
    store = Store(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        store.commit("ab12", part(1), ROWS, RECORD)
    assert list((tmp_path / "rows").iterdir())  # they were written,
    assert store.parts() == {}  # but nothing says that they count
    assert store.rows(["ab12"], 2, 1).empty


def test_a_write_that_is_cut_off_leaves_no_file_of_that_name(tmp_path, monkeypatch):
    store = Store(tmp_path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"store = .*: cannot write rows/ab12\.d0-1\.r0-1\.parquet \(No space left"):
        store.commit("ab12", part(1), ROWS, RECORD)
    monkeypatch.undo()
    assert store.parts() == {}
    assert not list(tmp_path.rglob("*.parquet"))
    assert not list(tmp_path.rglob(".tmp-*"))


def test_unfinished_work_is_noted_apart_and_forgotten_once_done(tmp_path):
    store = Store(tmp_path)
    store.leave_unfinished("ab12", RECORD | {"status": "failed", "reason": "broke"})
    assert store.parts() == {}
    assert outcome(store, "ab12", [], 1, 1) == ("failed", "broke", 0.5)
    store.commit("ab12", part(1), ROWS, RECORD)
    assert store.unfinished("ab12") is None
    assert outcome(store, "ab12", [part(1)], 1, 1) == ("ok", "", 0.5)


def test_an_outcome_is_of_the_draws_asked_for_whatever_else_is_there(tmp_path):
    store = Store(tmp_path)
    store.commit("ab12", part(2), ROWS, RECORD)
    later = {"duration_s": 1.0, "refusals": [[3, "unstable", "too fast"], [4, "unstable", "too fast"]]}
    store.commit("ab12", part(5, first_draw=2), [], later)
    parts = store.parts()["ab12"]
    assert outcome(store, "ab12", parts, 3, 1).status == "ok"
    assert outcome(store, "ab12", parts, 4, 1)[:2] == ("unstable", "1 of 4 draws, the first: too fast")
    assert outcome(store, "ab12", parts, 5, 1)[:2] == ("unstable", "2 of 5 draws, the first: too fast")
    assert outcome(store, "ab12", parts, 6, 1)[:2] == ("missing", "not computed yet")
    store.leave_unfinished("ab12", {"status": "skipped", "reason": "no data", "duration_s": 0.25})
    assert outcome(store, "ab12", parts, 6, 1) == ("skipped", "no data", 1.75)
    assert outcome(store, "ab12", parts, 5, 1).is_complete


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "store").write_text("a file is in the way")
    with pytest.raises(InputError, match=r"store = .*store: cannot write rows/.*set store="):
        Store(tmp_path / "store").commit("ab12", part(1), ROWS, RECORD)


def test_an_experiment_that_was_not_run_is_named_with_the_command(tmp_path):
    with pytest.raises(InputError, match=r"experiment = fig3b: .*python run.py -m experiment=fig3b"):
        Store(tmp_path).experiment("fig3b")
    Store(tmp_path).write_experiment("fig3b", {"axes": [], "draws": 1, "replications": 1, "points": []})
    assert Store(tmp_path).experiment_names() == ["fig3b"]
    assert json.loads((tmp_path / "experiments" / "fig3b.json").read_text())["draws"] == 1


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(5)
    samples = rng.normal(3.0, 2.0, size=(4000, 6))
    intervals = [mean_interval(sample, 0.9) for sample in samples]
    covered = np.mean([abs(interval.mean - 3.0) <= interval.half_width for interval in intervals])
    assert abs(covered - 0.9) < 4 * np.sqrt(0.9 * 0.1 / len(samples))
    assert np.isnan(mean_interval([1.0]).half_width)
