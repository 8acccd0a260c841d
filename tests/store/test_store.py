"""Points on disk: parts, commits that are whole or absent, and rows in a fixed order."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.disk.files import Files, StoreWarning
from store.disk.outcome import outcome_of
from store.disk.parts import Part, missing_parts
from store.disk.store import FORMAT, Store
from store.tables.statistics import mean_interval
from system import InputError
from tests.support.stored import note, record

RECORD = record(duration_s=0.5)
ROWS = [(0, 0, "response_mean_s", float("nan"), 1.5), (0, 0, "response_quantile_s", 0.95, 4.0)]


def part(draws, replications=1, first_draw=0, first_replication=0):
    return Part(range(first_draw, draws), range(first_replication, replications))


def rows_of(store):
    return store.rows(store.parts(["ab12"]), draws=2, replications=1)


def cells(parts):
    return [(draw, replication) for p in parts for draw in p.draws for replication in p.replications]


parts_strategy = st.builds(
    lambda a, b, c, d: Part(range(a, a + b), range(c, c + d)),
    *(st.integers(0, 5), st.integers(1, 5)) * 2,
)


@given(st.lists(parts_strategy, max_size=4), st.integers(1, 8), st.integers(1, 8))
def test_missing_parts_complete_committed_parts_and_repeat_nothing(committed, draws, replications):
    missing = cells(missing_parts(committed, draws, replications))
    wanted = {(d, r) for d in range(draws) for r in range(replications)}
    assert len(missing) == len(set(missing))
    assert set(missing) == wanted - set(cells(committed))


def test_an_empty_store_lacks_one_part_of_everything():
    assert missing_parts([], 20, 3) == [part(20, 3)]


def test_committed_rows_and_records_can_be_read(tmp_path):
    store = Store(tmp_path)
    store.commit("ab12", part(1), ROWS, RECORD)
    assert store.parts(["ab12"]) == {"ab12": [part(1)]}
    rows = rows_of(store)
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
    assert rows_of(one).equals(rows_of(other))


def test_rows_without_a_record_do_not_count(tmp_path, monkeypatch):
    store = Store(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Files, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        store.commit("ab12", part(1), ROWS, RECORD)
    assert list((tmp_path / "rows").iterdir())  # they were written,
    assert store.parts(["ab12"]) == {"ab12": []}  # but nothing says that they count
    assert rows_of(store).empty


def test_a_note_on_unfinished_work_is_removed_once_it_is_done(tmp_path):
    store = Store(tmp_path)
    store.leave_unfinished("ab12", note(duration_s=0.5))
    assert store.parts(["ab12"]) == {"ab12": []}
    assert outcome_of(store, "ab12", [], 1, 1)[:3] == ("failed", "broke", 0.5)
    store.commit("ab12", part(1), ROWS, RECORD)
    assert store.unfinished("ab12") is None
    assert outcome_of(store, "ab12", [part(1)], 1, 1)[:3] == ("ok", "", 0.5)


def test_an_outcome_is_about_the_given_draws_only(tmp_path):
    store = Store(tmp_path)
    store.commit("ab12", part(2), ROWS, RECORD)
    later = record(refusals=[[3, "unstable", "too fast"], [4, "unstable", "too fast"]])
    store.commit("ab12", part(5, first_draw=2), [], later)
    parts = store.parts(["ab12"])["ab12"]
    assert outcome_of(store, "ab12", parts, 3, 1).status == "ok"
    assert outcome_of(store, "ab12", parts, 4, 1)[:2] == ("unstable", "1 of 4 draws, the first: too fast")
    assert outcome_of(store, "ab12", parts, 5, 1)[:2] == ("unstable", "2 of 5 draws, the first: too fast")
    assert outcome_of(store, "ab12", parts, 6, 1)[:2] == ("missing", "not computed yet")
    store.leave_unfinished("ab12", note(status="skipped", reason="no data", duration_s=0.25))
    assert outcome_of(store, "ab12", parts, 6, 1)[:3] == ("skipped", "no data", 1.75)
    assert outcome_of(store, "ab12", parts, 5, 1).is_complete


def test_the_outcome_of_a_point_in_which_nothing_varies_is_about_every_draw(tmp_path):
    store = Store(tmp_path)
    refused = record(refusals=[[0, "infeasible", "too small"]], varies_with="nothing")
    store.commit("ab12", part(5), [], refused)
    outcome = outcome_of(store, "ab12", [part(5)], 5, 1)
    assert outcome == ("infeasible", "nothing varies between draws: too small", 1.0, False)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "store").write_text("a file is in the way")
    with pytest.raises(InputError, match=r"store = .*store: cannot write rows/.*set store="):
        Store(tmp_path / "store").commit("ab12", part(1), ROWS, RECORD)


def test_an_experiment_that_was_not_run_is_an_error_with_the_command(tmp_path):
    with pytest.raises(InputError, match=r"experiment = fig3b: .*python run.py -m experiment=fig3b"):
        Store(tmp_path).experiment("fig3b")
    Store(tmp_path).write_experiment("fig3b", {"axes": [], "draws": 1, "replications": 1, "points": [], "fixed": []})
    assert Store(tmp_path).experiment_names() == ["fig3b"]
    assert Store(tmp_path).experiment("fig3b")["draws"] == 1
    with pytest.raises(InputError, match=r"^experiment = fig3: not in .*; did you mean fig3b\? Else run "):
        Store(tmp_path).experiment("fig3")


def test_an_interval_covers_the_mean_as_often_as_its_confidence():
    rng = np.random.default_rng(5)
    samples = rng.normal(3.0, 2.0, size=(4000, 6))
    intervals = [mean_interval(sample, 0.9) for sample in samples]
    covered = np.mean([abs(interval.mean - 3.0) <= interval.half_width for interval in intervals])
    assert abs(covered - 0.9) < 4 * np.sqrt(0.9 * 0.1 / len(samples))
    assert np.isnan(mean_interval([1.0]).half_width)


@pytest.fixture
def committed(tmp_path):
    """Return a store with one part."""
    store = Store(tmp_path)
    store.commit("ab12", part(1), ROWS, RECORD)
    return store


@pytest.mark.parametrize("torn", ["rows/ab12.d0-1.r0-1.parquet", "points/ab12.d0-1.r0-1.json"])
@pytest.mark.parametrize("damage", [lambda old: old[: len(old) // 2], lambda _: b"", lambda _: b"\xff\xfe nothing"])
def test_a_torn_file_is_set_aside_and_its_part_is_missing(committed, torn, damage):
    path = committed.folder / torn
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(StoreWarning, match=f"set {torn} .*aside in aside/"):
        assert committed.parts(["ab12"]) == {"ab12": []}
    assert not path.exists()
    assert (committed.folder / "aside" / torn.replace("/", "-")).exists()
    committed.commit("ab12", part(1), ROWS, RECORD)  # and can be computed again
    assert rows_of(committed)["value"].tolist() == [1.5, 4.0]


def test_missing_rows_and_rows_of_another_point_do_not_count(committed):
    committed.commit("cd34", part(1), ROWS[:1], RECORD)
    rows = committed.folder / "rows"
    (rows / "ab12.d0-1.r0-1.parquet").write_bytes((rows / "cd34.d0-1.r0-1.parquet").read_bytes())
    (rows / "cd34.d0-1.r0-1.parquet").unlink()
    with pytest.warns(StoreWarning):
        assert committed.parts(["ab12", "cd34"]) == {"ab12": [], "cd34": []}


def test_a_foreign_file_is_set_aside(committed):
    (committed.folder / "points" / "ab12.d0-1.r0-1 (copy).json").write_text("{}")
    (committed.folder / "points" / ".tmp-abc").write_text("{")  # of somebody who is writing
    with pytest.warns(StoreWarning, match=r"\(copy\)\.json aside .* this project did not write it"):
        assert committed.parts(["ab12"]) == {"ab12": [part(1)]}
    assert [path.name for path in (committed.folder / "points").glob("*copy*")] == []


def test_hidden_files_of_systems_are_ignored(committed):
    points = committed.points()
    for folder in ("points", "unfinished"):
        for name in (".DS_Store", ".nfs0012", ".hidden.json", "readme.txt"):
            (committed.folder / folder).mkdir(exist_ok=True)
            (committed.folder / folder / name).touch()
    assert committed.points() == points


def test_a_torn_note_counts_as_absent(committed):
    for folder, name in (("unfinished", "ab12"), ("experiments/ab12", "2030-ab")):
        (committed.folder / folder).mkdir(parents=True)
        (committed.folder / folder / f"{name}.json").write_text('{"status": "fai')
    with pytest.warns(StoreWarning, match="set unfinished/ab12.json aside"):
        assert committed.unfinished("ab12") is None
    with (
        pytest.warns(StoreWarning, match="set experiments/ab12/2030-ab.json aside"),
        pytest.raises(InputError, match=r"run\.py -m experiment=ab12"),
    ):
        committed.experiment("ab12")


@pytest.mark.parametrize(("stated", "message"), [(99, "newer code .*update the project"), (1, "older code .*remove")])
def test_a_store_of_another_format_is_refused(committed, stated, message):
    (committed.folder / "store.json").write_text(json.dumps({"format": stated}))
    with pytest.raises(InputError, match=f"store = .*: written by {message}"):
        Store(committed.folder)


@pytest.mark.parametrize("statement", [None, "", "[1]", "null", '{"format": "three"}', '{"format": 1e3}'])
def test_a_store_without_a_sound_format_has_that_of_its_records(committed, statement):
    (committed.folder / "store.json").unlink()
    if statement is not None:
        (committed.folder / "store.json").write_text(statement)
    with nullcontext() if statement is None else pytest.warns(StoreWarning, match="set store.json aside"):
        store = Store(committed.folder)
    assert store.parts(["ab12"]) == {"ab12": [part(1)]}
    store.commit("cd34", part(1), ROWS, RECORD)
    assert json.loads((committed.folder / "store.json").read_bytes())["format"] == FORMAT
    for path in (committed.folder / "points").iterdir():
        path.write_text('{"duration_s": 1}')  # as older code wrote it
    (committed.folder / "store.json").unlink()
    with pytest.raises(InputError, match="its format is 1, this code reads 3"):
        Store(committed.folder)
