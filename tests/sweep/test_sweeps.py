"""Sweeps as a user starts them: rows do not depend on workers, nothing is computed twice, failures are classified."""

import json
import re
import sys
from errno import ENOSPC
from functools import partial
from subprocess import DEVNULL, PIPE, Popen

import pandas as pd
import pytest

from store.comparisons.compare import compare_values
from store.disk import files
from store.tables.reading import Measure, load, load_points
from store.tables.reference import write_reference
from store.tables.statistics import PoolingError, by_draw
from store.tables.verification import verify
from tests.support.project import ROOT, command, script

SWEEP = ("run.py", "-m", "network=european", "workload.job_count=300", "draws=2", "tuning.capacity=6,7")
ONE_WORKER, TWO_WORKERS = ("hydra/launcher=basic",), ("hydra.launcher.n_jobs=2",)


def sweep(store, *words):
    return script(*SWEEP, *words, f"store={store}")


def contents(store, folder="rows"):
    return {path.name: path.read_bytes() for path in (store / folder).iterdir()}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Return a store that two workers filled."""
    store = tmp_path_factory.mktemp("swept")
    done = command(*SWEEP, "evaluator=simulation,exact", *TWO_WORKERS, f"store={store}")
    assert done.returncode == 0, done.stderr
    return store


def test_one_worker_writes_the_same_bytes_as_two(swept, tmp_path):
    done = sweep(tmp_path, "evaluator=simulation,exact", *ONE_WORKER)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path) == contents(swept)
    assert len(contents(tmp_path)) == 4


def test_stored_points_are_not_computed_again(swept):
    before = {path: path.stat().st_mtime_ns for path in swept.rglob("*.d0-2.r0-1.*")}
    done = sweep(swept, "evaluator=simulation,exact", *ONE_WORKER)
    assert done.returncode == 0
    assert "4 points: 4 ok" in done.stdout
    assert "point/s" not in done.stderr  # no bar: there was nothing to do
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_more_draws_are_added_to_stored_ones(swept, tmp_path):
    sweep(tmp_path, "evaluator=exact", "draws=1", *ONE_WORKER)
    sweep(tmp_path, "evaluator=exact", *ONE_WORKER)
    parts = sorted(name.split(".", 1)[1] for name in contents(tmp_path))
    assert parts == ["d0-1.r0-1.parquet"] * 2 + ["d1-2.r0-1.parquet"] * 2
    added, at_once = load("unnamed", tmp_path), load("unnamed", swept)
    at_once = at_once[at_once["evaluator"] == "exact"].drop(columns="evaluator").reset_index(drop=True)
    pd.testing.assert_frame_equal(added, at_once, check_exact=True)


def test_rows_are_tidy_and_name_their_point(swept):
    rows = load("unnamed", swept)
    assert list(rows.columns) == [
        "point",
        "tuning.capacity",
        "evaluator",
        "draw",
        "replication",
        "metric",
        "at",
        "value",
        "status",
        "draws",
    ]
    assert set(rows["draw"]) == {0, 1}
    point = rows["point"].iloc[0]
    record = json.loads((swept / "points" / f"{point}.d0-2.r0-1.json").read_text())
    assert record["configuration"]["algorithm"]["tuning"]["capacity"] == 6
    assert record["provenance"]["packages"]["numpy"]
    assert record["refusals"] == []
    assert record["duration_s"] > 0


def test_results_and_failures_have_different_statuses(tmp_path):
    swept = script(
        *("run.py", "-m", "network=european", "draws=2", "evaluator=exact", *ONE_WORKER, f"store={tmp_path}"),
        "demand.per_s=0.2,50",
        "model.cache_memory_gb=0.11,1e-15",
    )
    assert swept.returncode == 1  # points failed
    points = load_points("unnamed", tmp_path).set_index(["demand.per_s", "model.cache_memory_gb"])
    statuses = {(0.2, 0.11): "ok", (50, 0.11): "unstable", (0.2, 1e-15): "failed", (50, 1e-15): "failed"}
    assert points["status"].to_dict() == statuses
    assert "must be below the total service rate" in points.loc[(50, 0.11), "reason"]
    assert "sum of capacities = " in points.loc[(0.2, 1e-15), "reason"]
    lines = [line.partition(" [")[::2] for line in swept.stdout.splitlines()[1:]]
    coordinates = {line.split()[0]: rest for line, rest in lines}
    assert coordinates["unstable"] == "demand.per_s=50 model.cache_memory_gb=0.11]"
    assert coordinates["failed"] == "demand.per_s=0.2,50 model.cache_memory_gb=1e-15]"
    assert load("unnamed", tmp_path)["demand.per_s"].unique().tolist() == [0.2]  # no draw of the other rate is stable
    assert len(list((tmp_path / "unfinished").iterdir())) == 2


def test_a_point_that_cannot_be_made_ends_the_sweep_before_its_first_point(tmp_path):
    done = sweep(tmp_path / "store", "demand.per_s=0.2,-1", *ONE_WORKER)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: demand.per_s = -1: must be a finite number above 0\n"
    assert not (tmp_path / "store").exists()


def test_a_dry_run_counts_points_and_writes_nothing(swept):
    def dry(*words):
        return sweep(swept, "evaluator=simulation,exact", "--dry-run", *TWO_WORKERS, *words).stdout

    def files():
        return {path: path.read_bytes() for path in sorted(swept.rglob("*.json"))}

    before = files()
    text = dry()
    assert text.startswith(
        "unnamed (network=european, workload.job_count=300): 4 points, each of 2 draws, 1 replication"
    )
    assert "    tuning.capacity = 6, 7\n    evaluator = simulation, exact\n" in text
    assert "stored: 4 (0 of them refused); to compute: 0\n" in text
    assert "expected time: 0.0 s of work" in text
    more = dry("draws=4")
    assert "stored: 0 (0 of them refused); to compute: 4 (4 new or with new draws)" in more
    points = load_points("unnamed", swept)
    seconds, half = re.search(r"expected time: (.*) s of work, (.*) s by 2 workers", more).groups()
    assert float(seconds) == pytest.approx(points["duration_s"].sum(), abs=0.051)  # as many draws as are stored
    assert float(half) == pytest.approx(float(seconds) / 2, abs=0.11)
    assert "expected time: unknown" in dry("case.seed=7")
    assert files() == before


def test_a_dry_run_is_one_of_a_sweep():
    assert script("run.py", "--dry-run").stderr == (
        "error: --dry-run: belongs to a sweep; write `python run.py -m ... --dry-run`\n"
    )


def test_a_policy_that_a_scheme_ignores_is_an_empty_axis_of_its_point(tmp_path):
    words = ("evaluator=simulation", "algorithm=proposed,bprr", "dispatch=jffc,sed", "tuning.capacity=7")
    done = sweep(tmp_path, *words, *ONE_WORKER)
    assert "    note: dispatch does not apply to algorithm=bprr: computed once each\n" in done.stdout
    rows = load("unnamed", tmp_path)
    seen = rows[["algorithm", "dispatch"]].drop_duplicates().fillna("")
    assert seen.to_numpy().tolist() == [["proposed", "jffc"], ["proposed", "sed"], ["bprr", ""]]
    compared = compare_values("unnamed", "algorithm", ("proposed", "bprr"), Measure("response_mean_s"), tmp_path).table
    assert compared["dispatch"].tolist() == ["jffc", "sed"]
    means = rows[rows["metric"] == "response_mean_s"].groupby(["algorithm", "dispatch"], dropna=False)["value"].mean()
    expected = [means["bprr"].item() - means["proposed", policy] for policy in ("jffc", "sed")]
    assert compared["difference"].to_numpy() == pytest.approx(expected, rel=1e-12)
    write_reference(tmp_path, ["unnamed"], tmp_path / "rows")
    assert verify(tmp_path, "unnamed", tmp_path / "rows").wrong.empty
    with pytest.raises(PoolingError, match="dispatch = jffc, sed"):
        by_draw(rows[rows["metric"] == "response_mean_s"], ["algorithm"])


def test_a_point_that_is_unstable_on_some_clusters_has_no_mean(tmp_path):
    words = ("network=european", "evaluator=exact", "draws=8", "demand.per_s=0.4", "cluster.server_count=8,12")
    assert script("run.py", "-m", *words, *ONE_WORKER, f"store={tmp_path}").returncode == 0
    points = load_points("unnamed", tmp_path).set_index("cluster.server_count")
    assert points["status"].to_dict() == {8: "unstable", 12: "ok"}
    assert "2 of 8 draws" in points.loc[8, "reason"]
    rows = load("unnamed", tmp_path)
    assert rows.groupby("cluster.server_count")["status"].unique().map(list).to_dict() == {8: ["unstable"], 12: ["ok"]}


def test_a_point_that_does_not_apply_is_skipped_with_a_reason(tmp_path):
    words = ("workload=mmpp", "evaluator=exact,simulation", *ONE_WORKER)
    done = sweep(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert "2 skipped" in done.stdout
    reason = "holds for Poisson arrivals, exponential sizes, and JFFC or thresholds after every event only"
    assert f"{reason}; use evaluator=simulation" in done.stdout


def test_a_single_point_prints_its_card(tmp_path):
    done = script("run.py", "network=european", "evaluator=exact", "draws=2", f"store={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "response_mean_s" in done.stdout
    assert "response_quantile_s at 0.95" in done.stdout
    assert "over 2 draws" in done.stdout


def _write_all_but_rows(write, path, content):
    if path.parent.name == "rows":
        raise OSError(ENOSPC, "No space left on device", str(path))
    write(path, content)


def test_a_failed_extension_is_an_error_and_gives_no_mean_over_fewer_draws(tmp_path, monkeypatch):
    words = ("run.py", "-m", "network=european", "workload=synthetic_code", "demand=native", *ONE_WORKER)
    words = (*words, "model=llama2_7b", "cluster.server_count=8", "workload.job_count=100", f"store={tmp_path}")
    assert script(*words, "seed=1", "draws=1").returncode == 1  # a key that does not exist
    assert script(*words, "draws=1").returncode == 0
    with monkeypatch.context() as disk:  # rows can no longer be written: nothing more is computed, and the status is 1
        disk.setattr(files, "_write_whole", partial(_write_all_but_rows, files._write_whole))
        full = script(*words, "draws=2")
    assert full.returncode == 1
    assert f"store = {tmp_path}: cannot write rows/" in full.stderr
    assert load_points("unnamed", tmp_path)["status"].tolist() == ["missing"]
    assert load("unnamed", tmp_path).empty
    assert script(*words, "draws=2").returncode == 0
    assert set(load("unnamed", tmp_path)["draw"]) == {0, 1}


def test_two_sweeps_at_once_give_the_rows_of_one(tmp_path, swept):
    words = (*SWEEP, "evaluator=simulation,exact", *ONE_WORKER, f"store={tmp_path}")
    both = [Popen([sys.executable, *words], cwd=ROOT, stdout=DEVNULL, stderr=PIPE, text=True) for _ in range(2)]
    for sweeping in both:
        _, errors = sweeping.communicate(timeout=120)
        assert sweeping.returncode == 0, errors
    assert contents(tmp_path) == contents(swept)


def test_an_axis_that_no_point_depends_on_is_refused(tmp_path):
    done = sweep(tmp_path, "draws=1,2", *ONE_WORKER)
    assert done.returncode == 1
    assert done.stderr.startswith("error: draws = 1,2: these values give the same points")
