"""What helps to judge a plan: alternatives, the value of servers, uncertain inputs, warnings."""

from dataclasses import replace

import numpy as np
import pytest

from evaluators.queueing import exact
from planner.choice.candidates import compose
from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import Cheapest, LargestRate, Minimise
from planner.inventory.inventory import Inventory
from planner.results import Alternative
from planner.study import server_values as of_servers
from planner.study.alternatives import compare_alternatives
from planner.study.cautions import busy_rate_per_s, of_better_alternatives, warnings
from planner.study.sensitivity import bottleneck, ranges, unused
from planner.study.server_values import value_of_servers
from planner.study.study_plan import study
from system import Composition, Placement, RandomStreams
from tests.support.planner_inventories import KINDS, RTT_S, VISIT_S, inventory, uneven
from workloads.arrivals import Hyperexponential, MarkovModulatedPoisson

LAB = {"large": 2, "middle": 1, "small": 2}


def p95_s(composition: Composition, rate_per_s: float) -> float | None:
    if rate_per_s >= composition.total_rate_per_s:
        return None
    return exact(rate_per_s, composition.service_rate_per_s, composition.capacity).percentile_s(0.95)


def one_fewer(counts: dict[str, int], kind: str) -> dict[str, int]:
    return {name: n - (name == kind) for name, n in counts.items() if n > (name == kind)}


def test_the_value_of_a_server_is_that_of_an_inventory_without_it():
    found = plan(inventory(LAB, Minimise(0.95), 0.9))
    c = found.composition.placement.reserved_capacity
    values = value_of_servers(found)
    assert {servers: found.inventory.gpus[servers[0]] for servers in (value.servers for value in values)} == {
        (0, 1): "large",
        (2,): "middle",
        (3, 4): "small",
    }
    for value in values:
        by_hand = inventory(one_fewer(LAB, found.inventory.gpus[value.servers[0]]), Minimise(0.95), 0.9)
        same_c_s = p95_s(compose(by_hand.system(1.0), c), 0.9)
        assert value.value_at_same_c == (None if same_c_s is None else pytest.approx(same_c_s, rel=1e-9))
        assert bool(value.reason) == (same_c_s is None)
        assert value.value_retuned == pytest.approx(plan(by_hand).prediction.quantiles_s[0.95], rel=1e-9)
    losses = [np.inf if value.value_at_same_c is None else value.value_at_same_c for value in values]
    assert losses == sorted(losses, reverse=True)


def test_the_value_of_a_server_under_a_largest_rate_is_in_requests_per_second():
    found = plan(inventory(LAB, LargestRate(0.95, 12)))
    values = value_of_servers(found)
    for value in values:
        by_hand = inventory(one_fewer(LAB, found.inventory.gpus[value.servers[0]]), LargestRate(0.95, 12))
        assert value.value_retuned == pytest.approx(plan(by_hand).prediction.rate_per_s, rel=1e-6)
    assert [value.value_at_same_c is None for value in values] == ["no chain" in value.reason for value in values]
    at_same_c = [value.value_at_same_c or 0.0 for value in values]
    assert at_same_c == sorted(at_same_c)
    assert at_same_c[-1] <= found.prediction.rate_per_s


def test_only_the_ten_most_valuable_are_retuned():
    values = value_of_servers(plan(uneven(14, Minimise(), 0.8)))
    assert [value.value_retuned is not None for value in values] == [True] * 10 + [False] * 4


def test_of_very_many_servers_the_most_valuable_are_valued(monkeypatch):
    found = plan(uneven(14, Minimise(), 0.8))
    every = value_of_servers(found)
    monkeypatch.setattr(of_servers, "MOST_SLOTS", 0)
    monkeypatch.setattr(of_servers, "LEAST_VALUED", 3)
    monkeypatch.setattr(of_servers, "MOST_PLACED", 0)
    some = value_of_servers(found)
    at_same_c = {value.servers: value.value_at_same_c for value in every}
    assert [value.value_at_same_c for value in some[:3]] == [at_same_c[value.servers] for value in some[:3]]
    assert some[0].servers == every[0].servers
    assert len(some) == len(every)
    assert all("not computed" in value.reason for value in some[3:])
    assert all(value.value_retuned is None for value in some)
    assert {value.servers for value in some} == {value.servers for value in every}


def test_a_running_layout_loses_the_chains_of_a_server_or_reroutes():
    asked = inventory({"large": 4}, Minimise(), 0.1)
    swarm = Placement(np.array([0, 0, 6, 6]), np.array([6, 6, 6, 6]))
    rerouted, other = value_of_servers(plan_of_layout(asked, swarm))
    assert {rerouted.servers, other.servers} == {(0, 1), (2, 3)}
    assert rerouted.value_at_same_c is not None
    assert rerouted.value_retuned is None
    hops = (np.array([0, 2, 1, 3]), np.array([6, 6, 6, 6]), np.array([0, 2, 4]))
    pipelines = plan_of_layout(asked, Composition.of_hops(asked.system(1.0), swarm, *hops, np.array([2, 3])))
    without_first = value_of_servers(pipelines)
    service_s = 2 * VISIT_S + 12 * KINDS["large"][1]
    by_capacity = {2: (1, 3), 3: (0, 2)}  # what is left, and without which servers
    for left, gone in by_capacity.items():
        mean_s = exact(0.1, [1 / service_s], [left]).mean_response_s
        for j in gone:
            value = next(value for value in without_first if value.servers == (j,))
            assert value.value_at_same_c == pytest.approx(mean_s)


def test_ranges_are_those_of_an_inventory_with_other_times():
    found = plan(inventory(LAB, Minimise(0.95), 0.6))
    by_name = {entry.name: entry for entry in ranges(found, share=0.25)}
    kinds = {found.inventory.gpus[j] for j in found.composition.hop_server}
    assert by_name.keys() == {"block time of all servers", "round-trip times"} | {
        f"block time of {kind} servers" for kind in (kinds if len(kinds) > 1 else ())
    }
    services_s = {}
    for factor in (0.75, 1.25):
        blocks_s = (found.composition.mean_service_s - np.diff(found.composition.hop_start) * VISIT_S) * factor
        services_s["block time of all servers", factor] = blocks_s + np.diff(found.composition.hop_start) * VISIT_S
        links_s = np.diff(found.composition.hop_start) * (factor - 1) * RTT_S
        services_s["round-trip times", factor] = found.composition.mean_service_s + links_s
    for (name, factor), service_s in services_s.items():
        by_hand_s = exact(0.6, 1 / service_s, found.composition.capacity).percentile_s(0.95)
        assert (by_name[name].low if factor < 1 else by_name[name].high) == pytest.approx(by_hand_s)
    spreads = [entry.high - entry.low for entry in ranges(found, share=0.25)]
    assert spreads == sorted(spreads, reverse=True)


def test_an_input_that_makes_the_plan_unstable_comes_first():
    strained = plan(inventory(LAB, Minimise(), 0.6))
    rate_per_s = 0.95 * strained.prediction.total_rate_per_s
    first = ranges(plan_of_layout(replace(strained.inventory, rate_per_s=rate_per_s), strained.composition), share=0.5)[
        0
    ]
    assert (first.name, first.high) == ("block time of all servers", None)
    assert first.low is not None


def test_ranges_of_a_largest_rate_fall_with_slower_blocks():
    found = plan(inventory(LAB, LargestRate(0.95, 12)))
    slower = next(entry for entry in ranges(found) if entry.name == "block time of all servers")
    assert slower.low > found.prediction.rate_per_s > slower.high


def test_servers_without_a_part_are_named_with_the_reason():
    found = plan(inventory({"large": 1, "middle": 1, "small": 4}, Minimise(), 0.05))
    everyone = set(range(6))
    assert {entry.server for entry in unused(found)} == everyone - set(found.composition.hop_server.tolist())
    assert all("left over" in entry.reason or "too small here" in entry.reason for entry in unused(found))

    tiny = inventory({"large": 2, "small": 1}, Minimise(), 0.1)
    servers = replace(tiny.servers, memory_gb=np.array([16.0, 16.0, 1.0]))
    (entry,) = unused(plan(replace(tiny, servers=servers)))
    assert (entry.server, entry.reason) == (2, "too small: 1 GB, one block and one request's cache need 1.1 GB")

    cheap = plan(inventory({"large": 3, "small": 4}, Cheapest(0.95, 12), 0.3))
    dropped = set(range(7)) - set(cheap.members.tolist())
    assert {entry.server for entry in unused(cheap) if "not worth its cost" in entry.reason} == dropped != set()


def fast_links(asked: Inventory) -> Inventory:
    """The same inventory with the round-trip times between servers known."""
    count = len(asked.servers)
    return replace(asked, servers=replace(asked.servers, rtt_s=np.full((count, count), RTT_S)))


def test_alternatives_use_the_same_servers_at_the_same_rate():
    found = plan(inventory({"large": 4}, Minimise(0.95), 0.4))
    by_name = {entry.name.split(" (")[0]: entry for entry in compare_alternatives(found)}
    assert list(by_name) == ["whole model per server", "equal split", "PETALS", "BPRR"]
    whole = exact(0.4, [1 / (VISIT_S + 12 * KINDS["large"][1])], [4 * 3])  # 40 slots of 12 blocks on each
    assert by_name["whole model per server"].prediction.mean_s == pytest.approx(whole.mean_response_s)
    assert by_name["equal split"].prediction.mean_s <= by_name["whole model per server"].prediction.mean_s * (1 + 1e-9)
    assert by_name["PETALS"].prediction is None
    assert "round-trip times between servers" in by_name["PETALS"].reason
    bprr = by_name["BPRR"].prediction
    assert bprr.method == "simulated"
    assert bprr.total_rate_per_s is None
    assert bprr.load is None
    assert bprr.mean_s + bprr.mean_half_width_s >= found.prediction.mean_s
    with_links = plan(fast_links(found.inventory))
    petals = next(entry for entry in compare_alternatives(with_links) if entry.name == "PETALS")
    assert petals.prediction is not None or "leave more slowly" in petals.reason


def test_an_alternative_that_is_impossible_says_why():
    found = plan(inventory({"middle": 1, "small": 2}, Minimise(), 0.02))
    whole, split = compare_alternatives(found)[:2]
    assert whole.prediction is None
    assert "they need 12 GB and the largest server has 9 GB" in whole.reason
    assert split.prediction.total_rate_per_s > 0.02


def test_a_running_layout_stands_beside_a_new_plan():
    asked = inventory(LAB, Minimise(0.95), 0.3)
    layout = plan_of_layout(asked, compose(asked.system(1.0), 1))
    first = compare_alternatives(layout)[0]
    best = plan(asked)
    assert first.name == f"new plan (c = {best.composition.placement.reserved_capacity})"
    assert first.prediction.quantiles_s[0.95] == pytest.approx(best.prediction.quantiles_s[0.95])


def test_the_bottleneck_is_told_in_shares_of_the_time():
    found = plan(inventory({"large": 2}, Minimise(), 0.5))
    service_s = VISIT_S + 12 * KINDS["large"][1]
    total_s = service_s + found.prediction.waiting_mean_s
    sentence = bottleneck(found)
    assert f"{12 * KINDS['large'][1] / total_s:.0%} is computation, {VISIT_S / total_s:.0%} links" in sentence
    assert "the cache of large 0, large 1 (large) is full first: it limits 2 of 2 chains with 6 of 6 places" in sentence


def test_bursts_are_measured_and_compared_with_the_poisson_answer():
    jobs = inventory(LAB, Minimise()).workload.jobs(2.0, RandomStreams(5))
    assert busy_rate_per_s(jobs.arrival_s, 20.0) == pytest.approx(2.0, rel=0.05)
    on_and_off = MarkovModulatedPoisson((2.0, 0.0), (1000.0, 3000.0))
    assert busy_rate_per_s(np.cumsum(on_and_off.gaps_s(0.5, 30_000, np.random.default_rng(1))), 20.0) == pytest.approx(
        2.0, rel=0.05
    )
    (sentence,) = [s for s in warnings(plan(inventory(LAB, Minimise(), 0.3, Hyperexponential(5)))) if "bursts" in s]
    assert "Poisson arrivals and exponential sizes would give" in sentence
    assert not any("bursts" in s for s in warnings(plan(inventory(LAB, Minimise(), 0.3, Hyperexponential(1)))))


def test_warnings_name_what_the_numbers_leave_out():
    calm = inventory(LAB, Minimise(), 0.3)
    assert warnings(plan(calm)) == ()
    far = replace(calm, servers=replace(calm.servers, communication_s=np.full(5, 9.0)))
    assert "links dominate" in warnings(plan(far))[0]
    long_requests = replace(calm, workload=replace(calm.workload, input_tokens=3000))
    assert "100.0% of the requests are longer than the 2048 tokens" in warnings(plan(long_requests))[0]
    brief = inventory(LAB, Minimise(), 0.6, Hyperexponential(1))
    brief = replace(brief, workload=replace(brief.workload, job_count=50))
    assert any("the 50 requests last" in sentence for sentence in warnings(plan(brief)))


def test_an_alternative_that_does_better_is_admitted():
    found = plan(inventory(LAB, Minimise(), 0.3))
    better, same = replace(found.prediction, mean_s=0.9 * found.prediction.mean_s), found.prediction
    others = (Alternative("equal split", better), Alternative("PETALS", None, "no"), Alternative("BPRR", same))
    (sentence,) = of_better_alternatives(found, others)
    assert sentence.startswith("equal split does better here")


def test_a_study_has_every_part():
    whole = study(plan(inventory(LAB, Minimise(), 0.3)))
    assert len(whole.alternatives) == 4
    assert whole.server_values
    assert whole.ranges
    assert whole.bottleneck
