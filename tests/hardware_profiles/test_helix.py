"""Helix's published clusters, measurements and layouts: facts that its own code gives, and the published layouts."""

import re
from functools import cache

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from evaluators.points.case import Draw
from hardware_profiles.listed.layouts import FOLDER, read_layout
from planner.inventory.reading import read_inventory
from system import InfeasibleError, InputError, NotApplicableError
from system.service.batch_curve import curves_of
from system.token_flow import compute_bound_tokens_per_s, linear_law_servers, max_flow
from tests.support.project import case_of

MODELS = {"30b": "llama1_30b", "70b": "llama2_70b"}
LAYOUTS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
PARTS = re.compile(r"helix_(\w+?)_(?:(a100|l4|t4)_)?(30b|70b)(?:_(\w+))?")
# Tokens/s of Helix's own flow code (github.com/Thesys-lab/Helix-ASPLOS25 at 148b733), for 750 and 240 tokens.
FLOWS = {
    "helix_single24_70b_helix": 1289.56,
    "helix_single24_70b_petals": 952.11,
    "helix_single24_70b_swarm": 757.85,
    "helix_geo24_70b_helix": 1212.18,
    "helix_het42_70b_helix": 4137.55,
    "helix_single24_30b_helix": 1137,
    "helix_single24_30b_petals": 899,
    "helix_single24_30b_swarm": 890,
    "helix_geo24_30b_helix": 1137,
    "helix_geo24_30b_petals": 899,
    "helix_geo24_30b_swarm": 890,
}


@cache
def draw_of(layout, *further):
    """Return the draw of a published layout on its cluster."""
    cluster, _, model, _ = PARTS.fullmatch(layout).groups()
    cluster = "single24" if cluster == "pipeline" else cluster
    words = (f"cluster=helix_{cluster}", f"model={MODELS[model]}", "algorithm=published_layout")
    jobs = ("workload=poisson_constant", "workload.input_tokens=750", "workload.output_tokens=240")
    named = (f"algorithm.file={layout}", "algorithm.forwarding=direct", *further)
    return Draw(instantiate(case_of("network=european", *words, *jobs, *named), _convert_="all"), 0)


def placed(layout, *further):
    """Return the system and the placement of a published layout."""
    draw = draw_of(layout, *further)
    return draw.case.algorithm.forwarded(draw.system), draw.case.algorithm.placement(draw.system)


@pytest.mark.parametrize(("layout", "tokens_per_s"), FLOWS.items())
def test_flows_are_those_of_the_published_code(layout, tokens_per_s):
    assert max_flow(*placed(layout)).tokens_per_s == pytest.approx(tokens_per_s, rel=1e-3)


def test_bounds_and_whole_servers_are_those_of_the_published_code():
    system, placement = placed("helix_single24_70b_petals")
    assert compute_bound_tokens_per_s(system) == pytest.approx(2803.86, rel=1e-3)
    assert max_flow(system, placement, partial=False).tokens_per_s == pytest.approx(531.70, rel=1e-3)
    assert linear_law_servers(system) == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_published_layout_has_chains_on_its_cluster(layout):
    by_memory = "separate" in layout or "pipeline" in layout
    draw = draw_of(layout, *(("cluster.hosting=memory",) if by_memory else ()))
    assert len(draw.layout) >= 1
    assert draw.layout.placement.block_count.sum() >= draw.system.model.block_count


def test_a_layout_above_the_caps_is_refused_by_name():
    with pytest.raises(InfeasibleError, match="n06-A100 would host 20 blocks, but may host at most 12: host 8 fewer"):
        placed("helix_single24_70b_separate")


def test_servers_that_the_cluster_lacks_are_named():
    draw = draw_of("helix_single24_70b_helix")
    other = instantiate(case_of("network=european", "cluster=nine_servers", "model=llama2_7b"), _convert_="all")
    with pytest.raises(NotApplicableError, match="names 24 servers that this cluster lacks, such as n00-L4; choose"):
        draw.case.algorithm.compose(Draw(other, 0).system, np.random.default_rng(1))


def test_unknown_layouts_and_ranges_are_refused():
    with pytest.raises(InputError, match="helix_single24_70b: unknown; did you mean"):
        read_layout("helix_single24_70b")
    case = case_of("network=european", "algorithm=published_layout")
    case["algorithm"]["ranges"] = {"n00-L4": "7-11"}
    with pytest.raises(Exception, match="7-11: must be the range of its blocks"):
        instantiate(case["algorithm"], _convert_="all")


def test_a_single_step_takes_the_time_of_the_smallest_measured_stack():
    servers = placed("helix_single24_70b_helix")[0].servers
    curve = curves_of("measured", servers)[servers.names.index("n01-T4")]
    assert curve[1] == curve[2] == 1
    assert servers.block_s[servers.names.index("n01-T4"), 2] * curve[4] == pytest.approx(0.0072)


def test_entries_and_the_rule_of_the_list_come_before_profiles():
    case = case_of("network=european", "cluster=helix_single24", "model=llama2_70b")
    case["cluster"]["servers"][0] |= {"most_blocks": 2, "free_memory_gb": 15}
    servers = Draw(instantiate(case, _convert_="all"), 0).system.servers
    assert servers.most_blocks[:2].tolist() == [2, 4]
    assert servers.memory_gb[:2].tolist() == [15, 11.45]
    case["cluster"]["hosting"] = "memory"
    servers = Draw(instantiate(case, _convert_="all"), 0).system.servers
    assert servers.most_blocks[:2].tolist() == [2, 80]
    assert servers.memory_gb[1] > 14


@pytest.mark.parametrize(("weights", "notes"), [("16 bit", 0), ("nf4", 1)])
def test_a_plan_says_where_measurements_of_another_precision_are_not_used(tmp_path, weights, notes):
    servers = [{"name": "t4", "count": 12, "gpu": "helix_t4", "rtt_ms": 2}]
    model = {"preset": "llama2_70b", "weights": weights}
    workload = {"rate_per_s": 0.01, "input_tokens": 750, "output_tokens": 240}
    path = tmp_path / "inventory.yaml"
    path.write_text(yaml.safe_dump({"model": model, "cache_tokens": 1024, "servers": servers, "workload": workload}))
    inventory = read_inventory(path)
    lines = [
        line for line in inventory.derivation if line.startswith("helix_t4 was measured with llama2_70b in 16 bit")
    ]
    assert len(lines) == notes
    measured = inventory.servers.block_s[0, 2] == pytest.approx(0.0071)
    assert measured == (notes == 0)


def test_published_measurements_are_rows():
    case = case_of("network=european", "evaluator=published", "evaluator.layout=helix_pipeline_t4_70b")
    rows = {name: value for name, value, _ in instantiate(case, _convert_="all").evaluator(None, 0)}
    assert rows == {"published_per_s": 0.015, "published_first_token_s": 3.27, "published_output_token_s": 0.599}
