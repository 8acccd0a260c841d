"""Measured batch curves: from a profile's points over clusters and lists to the servers."""

from dataclasses import replace

import numpy as np
import pytest
from hydra.utils import instantiate

from evaluators.points.case import Draw
from hardware_profiles.listed.cluster import ListedCluster, listed_profiles
from hardware_profiles.profile import GpuProfile
from planner.inventory.reading import read_inventory
from system import InputError, NotApplicableError, RandomStreams
from tests.hardware_profiles.test_clusters import FAST, MODEL, cluster
from tests.hardware_profiles.test_time_model import gpu
from tests.support.project import ROOT, case_of

ROWS = [
    *([1, 1, context, seconds, seconds, seconds] for context, seconds in ((32, 0.001), (64, 0.002), (128, 0.009))),
    *([1, 4, context, seconds, seconds, seconds] for context, seconds in ((32, 0.003), (64, 0.005))),
    [1, 2, 32, 0.0025, 0.002, 0.003],
]


def measured(profile: GpuProfile) -> GpuProfile:
    return replace(profile, measured_points={MODEL.name: {"decode_batch": ROWS}})


def test_a_curve_has_the_median_over_contexts_relative_to_a_single_step():
    curve = measured(FAST).batch_curve(MODEL)
    assert curve == pytest.approx({1: 1.0, 2: 1.25, 4: 2.0})
    assert FAST.batch_curve(MODEL) == {}
    assert measured(FAST).batch_curve(replace(MODEL, name="other")) == {}


def test_a_curve_without_single_steps_is_empty():
    stacks_only = [row for row in ROWS if row[1] > 1]
    assert replace(FAST, measured_points={MODEL.name: {"decode_batch": stacks_only}}).batch_curve(MODEL) == {}


def test_the_curve_of_the_measured_processor_grows_with_the_stack():
    curve = gpu("cpu_one_thread").batch_curve(replace(MODEL, name="tiny_llama"))
    assert curve[1] == 1
    assert len(curve) > 2
    assert all(1 < ratio < size for size, ratio in curve.items() if size > 1)


def test_each_server_of_a_cluster_has_the_curve_of_its_profile():
    servers = cluster(fast=measured(FAST), server_count=6, fast_share=0.5).draw(MODEL, RandomStreams(1))
    is_fast = servers.memory_gb == FAST.memory_gb
    assert is_fast.any()
    assert not is_fast.all()
    assert [bool(curve) for curve in servers.batch_curves] == is_fast.tolist()


def test_each_server_of_a_list_has_the_curve_of_its_profile():
    listed = {
        "servers": [{"name": "a", "gpu": "t4", "rtt_ms": 1}, {"name": "b", "gpu": "l40s", "count": 2, "rtt_ms": 2}]
    }
    profiles = instantiate(listed_profiles(listed["servers"]), _convert_="all")
    profiles["l40s"] = measured(profiles["l40s"])
    machines = ListedCluster(**listed, profiles=profiles, prefill_overhead_s=0.0, token_overhead_s=0.0)
    curves = machines.draw(MODEL, RandomStreams(1)).batch_curves
    assert curves == ({}, profiles["l40s"].batch_curve(MODEL), profiles["l40s"].batch_curve(MODEL))


def test_some_servers_of_an_inventory_keep_their_curves():
    inventory = read_inventory(ROOT / "planner/examples/lab.yaml")
    curves = tuple({2: 1 + j / 10} for j in range(len(inventory.servers)))
    marked = replace(inventory, servers=replace(inventory.servers, batch_curves=curves))
    assert marked.only(np.array([2, 0])).servers.batch_curves == (curves[2], curves[0])


def test_as_many_curves_as_servers_are_needed():
    servers = cluster(server_count=6).draw(MODEL, RandomStreams(1))
    with pytest.raises(InputError, match=r"^batch_curves = 1 curves: give one for each of 6 servers$"):
        replace(servers, batch_curves=({},))


WORDS = ("network=local", "cluster=local_pair", "workload=drawn_lengths", "workload.job_count=50", "demand.per_s=1")
MEASURED = (*WORDS, "service=steps", "service.batching=decode", "service.batch_curve=measured")


def test_measured_curves_are_simulated_or_refused():
    case = instantiate(case_of(*MEASURED, "model=tiny_llama"))
    assert case.evaluator(Draw(case, 0), 0)
    unmeasured = instantiate(case_of(*MEASURED, "model=tiny_llama", "cluster.profile=${profile:a40}"))
    with pytest.raises(NotApplicableError, match=r"^batch_curve = measured: the profile of .* has no measured batches"):
        unmeasured.evaluator(Draw(unmeasured, 0), 0)
