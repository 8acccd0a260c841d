"""Plans over links with bandwidths, and with hops straight from server to server."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from algorithms.petals import Petals
from algorithms.placement.petals import PetalsPlacement
from evaluators.queueing import exact
from exports.chains import hop_words
from hardware_profiles.profile import engine_constants
from planner.choice.prediction import loaded, predict
from planner.choice.search import plan
from planner.inventory.engines import ENGINES
from planner.inventory.goals import Cheapest
from planner.inventory.reading import inventory_of
from planner.output.card import plan_card
from planner.output.document import plan_document
from planner.results import Study
from planner.study.alternatives import compare_alternatives
from planner.study.sensitivity import bottleneck, links_per_chain_s, ranges, with_servers
from system import InputError

LINKS = """from,to,latency_ms,mbytes_per_s
orchestrator,*,5,100
*,orchestrator,6,100
*,*,1,1000
small-1,small-2,12,12.5
small-2,small-1,14,10
"""
INVENTORY = {
    "model": {"preset": "llama3_8b", "weights": "nf4"},
    "cache_tokens": 2048,
    "links": "links.csv",
    "forwarding": "direct",
    "servers": [
        {"name": "small", "count": 3, "gpu": "rtx_3070", "free_memory_gb": 3.25, "cost_per_hour": 1},
        {"name": "large", "gpu": "rtx_3090", "free_memory_gb": 4, "cost_per_hour": 3},
    ],
    "workload": {"rate_per_s": 0.05, "input_tokens": 500, "output_tokens": 50},
}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("links")
    (folder / "links.csv").write_text(LINKS)
    return inventory_of(INVENTORY, folder)


@pytest.fixture(scope="module")
def direct(inventory):
    return plan(inventory)


def card(best):
    study = Study(best, (), (), (), (), bottleneck(best), ())
    return plan_card(study, "plan", best), plan_document(study, best)


def test_links_of_some_servers_are_those_of_all(inventory):
    kept = inventory.only(np.array([3, 1])).servers
    assert kept.names == ("large", "small-2")
    for name in ("rtt_s", "activation_s"):
        pairs = getattr(inventory.servers, name)[[[3, 3], [1, 1]], [[3, 1], [3, 1]]]
        np.testing.assert_array_equal(getattr(kept, name), pairs)
    for name in ("communication_s", "overhead_s", "orchestrator_rtt_s", "memory_gb"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(inventory.servers, name)[[3, 1]])


def test_the_plan_has_the_exact_times_of_its_direct_hops_and_no_certificate(direct):
    chains = direct.composition
    assert chains.system.forwarding == "direct"
    assert chains.most_hops > 1
    assert direct.certificate is None
    means = exact(0.05, chains.service_rate_per_s, chains.capacity)
    assert direct.prediction.mean_s == pytest.approx(means.mean_response_s, rel=1e-9)


def test_the_card_names_direct_hops_and_activations(direct, inventory):
    text, document = card(direct)
    assert "Activations go straight from server to server (forwarding: direct)." in text
    assert re.search(r"activations of a token between two blocks: 2 B x hidden size = 8,192 B", text)
    assert document["plan"]["inventory"]["forwarding"] == "direct"
    hub = plan(replace(inventory, forwarding="hub"))
    assert "forwarding" not in card(hub)[0]
    assert hub.certificate is not None


def test_alternatives_and_studies_keep_direct_hops(direct):
    routed = compare_alternatives(direct)[-2:]
    assert [alternative.name for alternative in routed] == ["PETALS", "BPRR"]
    assert all(alternative.prediction is not None for alternative in routed)
    trips = next(item for item in ranges(direct) if item.name == "round-trip times")
    assert trips.low < direct.prediction.mean_s < trips.high
    chains = direct.composition
    fast = replace(chains.system.servers, block_s=1e-12 * chains.system.servers.block_s)
    without_blocks = replace(chains, system=replace(chains.system, servers=fast))
    np.testing.assert_allclose(links_per_chain_s(chains), without_blocks.mean_service_s, rtol=1e-6)


def test_the_cheapest_servers_are_found_with_direct_hops(inventory):
    times_s = plan(inventory).prediction.quantiles_s
    best = plan(replace(inventory, goal=Cheapest(0.95, 1.5 * times_s[0.95])))
    assert best.prediction.quantiles_s[0.95] <= 1.5 * times_s[0.95]
    assert best.composition.system.forwarding == "direct"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"forwarding": "star"}, r"^forwarding = star: "),
        ({"links": "mars.csv"}, r"^links = mars.csv: there is no such file of links"),
        ({"orchestrator": "Paris"}, r"^orchestrator = Paris: links set it already; remove it$"),
    ],
)
def test_wrong_links_of_an_inventory_are_one_sentence(changes, message, tmp_path):
    (tmp_path / "links.csv").write_text(LINKS)
    with pytest.raises(InputError, match=message):
        inventory_of(INVENTORY | changes, tmp_path)


def lab(**fields):
    """Return README's lab, with its keys changed."""
    servers = [
        {"name": "workstation", "gpu": "rtx_a6000", "rtt_ms": 0.3},
        {"name": "tower", "count": 2, "gpu": "rtx_4090", "rtt_ms": 0.3},
        {"name": "old", "memory_gb": 24, "prefill_tflops": 125, "bandwidth_gb_per_s": 600, "rtt_ms": 0.8},
    ]
    workload = {"rate_per_s": 0.5, "input_tokens": 800, "output_tokens": 200}
    content = {"model": {"preset": "llama3_70b", "weights": "nf4"}, "cache_tokens": 4096, "servers": servers}
    return inventory_of({**content, "workload": workload, "goal": {"minimise": "p95"}, **fields}, Path())


def layout(inventory):
    composition = plan(inventory).composition
    return [hop_words(composition, k) for k in range(len(composition))], composition.capacity.tolist()


def test_a_lab_without_overheads_has_the_plan_of_one_that_states_those_of_a_switch():
    stated = layout(lab(overheads={"prefill_ms": 0.5, "token_ms": 0.5}))
    assert layout(lab()) == stated
    assert layout(lab(overheads={"prefill_ms": 18, "token_ms": 18})) != stated  # those of the Internet


@pytest.mark.parametrize(
    ("engine", "near_ms", "far_ms"),
    [
        ("any", 0.28, 18),
        ("llama.cpp", engine_constants("llamacpp_cpu")["hop_s"] * 1e3, 0.28),
        ("vllm", 2 * 0.07 + 2 * 0.046, 0.23),  # messages over gloo and over NCCL
        ("petals", Petals(PetalsPlacement()).hop_overhead_s * 1e3, 18),
    ],
)
def test_overheads_are_those_of_the_engine_by_distance(engine, near_ms, far_ms):
    servers = [{"name": f"at {rtt_ms}", "gpu": "rtx_a6000", "rtt_ms": rtt_ms} for rtt_ms in (0, 5, 5.1)]
    inventory = lab(engine=engine, servers=servers)
    costs_ms = inventory.servers.communication_s * 1e3 - np.array([[0], [5], [5.1]]) * [1, 0, 1]
    np.testing.assert_allclose(costs_ms, 1e3 * inventory.servers.overhead_s, atol=1e-12)
    np.testing.assert_allclose(costs_ms[:, 0], [0, near_ms, far_ms], atol=0.01)
    np.testing.assert_allclose(costs_ms[:, 2], costs_ms[:, 0])
    text = "\n".join(inventory.derivation)
    assert ENGINES[engine if engine != "any" else "petals"].source in text
    assert "rtt_ms: 0, in the orchestrator's own machine, has no overhead" in text
    assert "write overheads: {prefill_ms" in text


def test_given_overheads_hold_for_every_server():
    servers = [{"name": f"at {rtt_ms}", "gpu": "rtx_a6000", "rtt_ms": rtt_ms} for rtt_ms in (0, 1, 50)]
    part = lab(servers=servers, overheads={"token_ms": 3})
    np.testing.assert_allclose(part.servers.overhead_s * 1e3, [[0, 0, 3], [0.28, 0, 3], [18, 0, 3]])
    assert "prefill_ms = 18" in "\n".join(part.derivation)
    assert "token_ms =" not in "\n".join(part.derivation)
    whole = lab(servers=servers, overheads={"prefill_ms": 7, "token_ms": 3})
    np.testing.assert_allclose(whole.servers.overhead_s * 1e3, [[7, 0, 3]] * 3)


@pytest.mark.parametrize("forwarding", ["hub", "direct"])
def test_ranges_cover_round_trips_overheads_and_bandwidths(forwarding):
    best = plan(lab(link="100mbe", forwarding=forwarding, engine="petals"))
    by_name = {item.name: item for item in ranges(best, 0.5)}
    assert {"round-trip times", "overheads of messages", "bandwidth of links"} <= by_name.keys()
    costs = {"overheads": {"prefill_ms": 27, "token_ms": 27}, "engine": "petals"}
    costly = lab(link="100mbe", forwarding=forwarding, **costs)
    narrow = lab(link="100mbe", forwarding=forwarding, bandwidth_mbps=47, engine="petals")
    for name, other, end in (("overheads of messages", costly, "high"), ("bandwidth of links", narrow, "low")):
        changed = with_servers(best.composition, other.servers.only(best.members))
        expected = predict(loaded(changed, 0.5), best.inventory.workload, (0.95,))
        assert getattr(by_name[name], end) == pytest.approx(expected.quantiles_s[0.95], rel=1e-6), name


def test_ranges_name_no_part_of_the_communication_that_is_free():
    local = [{"name": f"gpu {n}", "gpu": "rtx_a6000", "rtt_ms": 0} for n in range(2)]
    names = {item.name for item in ranges(plan(lab(servers=local)))}
    assert not names & {"round-trip times", "overheads of messages", "bandwidth of links"}


def test_petals_names_what_it_lacks_and_takes_the_round_trips_of_a_kind():
    servers = [{"name": f"gpu {n}", "gpu": "a100_80gb_sxm", "rtt_ms": 1} for n in range(2)]
    rare = {"rate_per_s": 0.01, "input_tokens": 800, "output_tokens": 200}
    refused = compare_alternatives(plan(lab(servers=servers, workload=rare)))[-2]
    assert refused.prediction is None
    assert "add rtt_between_servers_ms, or give every server a link, such as link: 1gbe, or a region" in refused.reason
    assert compare_alternatives(plan(lab(servers=servers, workload=rare, link="1gbe")))[-2].prediction is not None
