"""Jobs of a stored point, simulated again: their statistics are the stored rows, to the last bit."""

import numpy as np
import pytest

from store import load
from store.disk.identity import identity_of
from store.disk.parts import Part
from store.disk.store import Store
from store.workers.work import WorkItem, do_work
from sweep.instantiate import evaluate
from sweep.records import job_records
from system import InputError, NotApplicableError
from tests.support.project import case_of
from tests.support.stored import record

WORDS = ("network=european", "workload.job_count=300", "cluster.server_count=10", "demand.per_s=0.02")
POINTS = (("proposed", "simulation"), ("bprr", "simulation"), ("proposed", "exact"))
AXES = ("algorithm", "evaluator")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return a store with two simulated points and an exact one."""
    store, part, entries = Store(tmp_path_factory.mktemp("records")), Part(range(2), range(2)), []
    for key in POINTS:
        axes = dict(zip(AXES, key, strict=True))
        case = case_of(*WORDS, *(f"{axis}={value}" for axis, value in axes.items()))
        point = identity_of(case).point
        do_work(store, WorkItem(point, case, [part]), evaluate)
        entries.append({"point": point, "axes": axes})
    sweep = {"points": entries, "axes": AXES, "draws": 2, "replications": 2, "fixed": []}
    store.write_experiment("x", sweep)
    return store.folder


@pytest.mark.parametrize("algorithm", ["proposed", "bprr"])
def test_statistics_of_the_jobs_are_the_stored_rows(store, algorithm):
    where = {"algorithm": algorithm, "evaluator": "simulation"}
    jobs = job_records("x", where, draw=1, replication=1, store=store)
    assert len(jobs) == 270
    rows = load("x", store).query("algorithm == @algorithm and evaluator == 'simulation' and draw == 1")
    stored = rows[rows["replication"] == 1].set_index(["metric", "at"])["value"]
    for time in ("response", "waiting", "service", "first_token"):
        assert jobs[f"{time}_s"].to_numpy().mean() == stored.loc[f"{time}_mean_s"].item()
        assert np.quantile(jobs[f"{time}_s"], 0.95) == stored.loc[(f"{time}_quantile_s", 0.95)]
    assert np.mean(jobs["waiting_s"] > 0) == stored.loc["waiting_probability"].item()
    assert (jobs["response_s"] == jobs["waiting_s"] + jobs["service_s"]).all()
    assert ("chain" in jobs) == (algorithm == "proposed")
    if algorithm == "proposed":  # a job's size multiplies the time of its chain
        chain_s = (jobs["service_s"] / jobs["size"]).groupby(jobs["chain"])
        assert (chain_s.max() - chain_s.min()).max() < 1e-9


def test_the_point_must_be_one_with_jobs(store):
    with pytest.raises(InputError, match="where = evaluator=simulation: fits 2 points; give a value of algorithm"):
        job_records("x", {"evaluator": "simulation"}, store=store)
    with pytest.raises(InputError, match="algorithm = bpr: there is no such name; choose bprr"):
        job_records("x", {"algorithm": "bpr"}, store=store)
    with pytest.raises(NotApplicableError, match="keeps no jobs to simulate again"):
        job_records("x", {"algorithm": "proposed", "evaluator": "exact"}, store=store)


def test_a_point_of_other_code_is_refused(tmp_path):
    store, point = Store(tmp_path), "0123456789abcdef"
    store.commit(point, Part(range(1), range(1)), [], record(configuration={"seed": 7}))
    entry = {"point": point, "axes": {}, "configuration": "of-other-code", "variant": 0}
    variants = [{"settings": {}, "targets": []}]
    sweep = {"points": [entry], "variants": variants, "axes": [], "draws": 1, "replications": 1, "fixed": []}
    store.write_experiment("x", sweep)
    with pytest.raises(InputError, match=f"point = {point}: other code computed it; run its sweep again"):
        job_records("x", {}, store=tmp_path)
