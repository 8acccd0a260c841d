"""Plans over links with bandwidths, and with hops straight from server to server."""

import re
from dataclasses import replace

import numpy as np
import pytest

from evaluators.queueing import exact
from planner.choice.search import plan
from planner.inventory.goals import Cheapest
from planner.inventory.reading import inventory_of
from planner.output.card import plan_card
from planner.output.document import plan_document
from planner.results import Study
from planner.study.alternatives import compare_alternatives
from planner.study.sensitivity import bottleneck, links_per_chain_s, ranges
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
        {"name": "small", "count": 3, "gpu": "rtx_3070", "free_memory_gb": 2.2, "cost_per_hour": 1},
        {"name": "large", "gpu": "rtx_3090", "free_memory_gb": 3, "cost_per_hour": 3},
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
