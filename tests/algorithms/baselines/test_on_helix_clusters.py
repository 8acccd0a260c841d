"""The baselines on Helix's clusters, beside the layouts that it published and what is known of Parallax there."""

from functools import cache

import numpy as np
import pytest
from hydra.utils import instantiate

from algorithms.placement.parallax import ParallaxPlacement, data_sheets, greedy_pipelines
from algorithms.separate import separate
from algorithms.swarm import stage_throughput, swarm_placement
from evaluators.points.case import Draw
from hardware_profiles.listed.layouts import published_for, read_layout
from system import InfeasibleError, NotApplicableError, Placement, System
from tests.support.project import case_of

MODELS = {"30b": "llama1_30b", "70b": "llama2_70b"}


@cache
def system_of(cluster: str, model: str, hosting: str = "stated") -> System:
    """Return the servers of a cluster with Helix's mean lengths."""
    words = (f"cluster=helix_{cluster}", f"cluster.hosting={hosting}", f"model={MODELS[model]}")
    jobs = ("workload=poisson_constant", "workload.input_tokens=750", "workload.output_tokens=240")
    return Draw(instantiate(case_of("network=european", *words, *jobs), _convert_="all"), 0).system


def published(system: System, layout: str) -> Placement:
    """Return the published placement."""
    ranges = read_layout(layout)
    pairs = [map(int, ranges.get(name, "0:0").split(":")) for name in system.servers.names]
    first, end = np.array([list(pair) for pair in pairs]).T
    return Placement(first, end - first)


@pytest.mark.parametrize(("model", "stages"), [("70b", 20), ("30b", 10)])
def test_swarms_stages_are_those_that_helix_published(model, stages):
    """Check that each stage has as many servers of each type."""
    system = system_of("single24", model)
    own, other = swarm_placement(system, None), published(system, f"helix_single24_{model}_swarm")
    types = [name.split("-")[1] for name in system.servers.names]
    shares = [sorted(zip(types, placement.first_block.tolist(), strict=True)) for placement in (own, other)]
    assert len(set(own.first_block.tolist())) == stages
    assert (own.block_count == other.block_count).all()
    assert shares[0] == shares[1]


def test_the_weakest_stage_of_seven_types_is_as_strong_as_that_of_helix():
    """Check stages of equal length.

    Helix's own rates of types differ by some %, so it deals some servers out differently.
    """
    system = system_of("het42", "70b")
    own, other = swarm_placement(system, None), published(system, "helix_het42_70b_swarm")
    assert own.block_count.tolist() == other.block_count.tolist() == [4] * 42
    throughput = stage_throughput(system, 4)
    weakest = [np.bincount(placement.first_block // 4, throughput).min() for placement in (own, other)]
    assert weakest[0] >= weakest[1]


def test_separate_pipelines_of_the_small_model_are_those_that_helix_published():
    system = system_of("single24", "30b")
    own, other = separate(system).placement, published(system, "helix_single24_30b_separate")
    assert (own.first_block == other.first_block).all()
    assert (own.block_count == other.block_count).all()


def test_no_type_can_host_the_large_model_within_half_of_its_memory():
    with pytest.raises(InfeasibleError, match=r"^no type of server can host the 80 blocks of llama2_70b by itself"):
        separate(system_of("single24", "70b"))


def test_greedy_parallax_fails_on_the_42_servers_for_lack_of_one_block():
    with pytest.raises(InfeasibleError, match=r"^total capacity 79 is less than the 80 blocks of the model: "):
        ParallaxPlacement()(system_of("het42", "70b", "memory"))


def test_greedy_parallax_forms_two_pipelines_of_all_24_servers():
    system = system_of("single24", "70b", "memory")
    room = ParallaxPlacement().room(system, data_sheets(system)[0])
    assert [len(pipeline) for pipeline in greedy_pipelines(room, 80)] == [11, 13]
    placement = ParallaxPlacement()(system)
    assert (placement.block_count > 0).all()
    assert placement.block_count.sum() == 160


def test_a_layout_is_found_by_planner_model_and_servers():
    servers = [{"name": name} for name in system_of("single24", "70b").servers.names]
    assert published_for("swarm", "llama1_30b", servers) == "helix_single24_30b_swarm"
    with pytest.raises(NotApplicableError, match=r"^planner = helix: published no layout of llama2_70b for these"):
        published_for("helix", "llama2_70b", [{"name": "mine"}])
