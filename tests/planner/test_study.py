"""The study of a plan: alternatives, the value of servers, uncertain inputs, warnings."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from evaluators.queueing import exact
from planner.choice.candidates import compose
from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import Cheapest, LargestRate, Minimise
from planner.inventory.inventory import Inventory
from planner.results import Alternative, Comparison
from planner.study import server_values
from planner.study.alternatives import compare_alternatives, reserved
from planner.study.cautions import better_alternatives, busy_rate_per_s, warnings
from planner.study.sensitivity import bottleneck, ranges, unused
from planner.study.server_values import value_of_servers
from planner.study.study_plan import study
from system import Composition, Placement, RandomStreams
from tests.support.planner_inventories import KINDS, RTT_S, VISIT_S, small_inventory, uneven_inventory
from workloads.arrivals import Hyperexponential, MarkovModulatedPoisson

LAB = {"large": 2, "middle": 1, "small": 2}


def p95_s(composition: Composition, rate_per_s: float) -> float | None:
    if rate_per_s >= composition.total_rate_per_s:
        return None
    return exact(rate_per_s, composition.service_rate_per_s, composition.capacity).percentile_s(0.95)


def one_fewer(counts: dict[str, int], kind: str) -> dict[str, int]:
    return {name: n - (name == kind) for name, n in counts.items() if n > (name == kind)}


def test_the_value_of_a_server_is_that_without_it():
    best = plan(small_inventory(LAB, Minimise(0.95), 0.9))
    placement, values = best.composition.placement, value_of_servers(best)
    assert sorted(j for value in values for j in value.servers) == list(range(5))
    for value in values:
        blocks = placement.block_count.copy()
        blocks[value.servers[0]] = 0
        rerouted = gca(best.composition.system, replace(placement, block_count=blocks))
        fast = np.flatnonzero(rerouted.mean_service_s <= best.composition.mean_service_s[-1] * (1 + 1e-9))
        by_hand_s = p95_s(rerouted.only(fast), 0.9) or p95_s(rerouted, 0.9)
        assert value.value_with_same_blocks == (None if by_hand_s is None else pytest.approx(by_hand_s, rel=1e-9))
        assert bool(value.reason) == (by_hand_s is None)
        rest = small_inventory(one_fewer(LAB, best.inventory.gpus[value.servers[0]]), Minimise(0.95), 0.9)
        new_s = plan(rest).prediction.quantiles_s[0.95]
        assert value.value_of_new_plan == pytest.approx(new_s, rel=0.02)  # the search for it is shorter
        assert value.value_of_new_plan <= (by_hand_s or np.inf) * (1 + 1e-9)
    losses = [np.inf if value.value_with_same_blocks is None else value.value_with_same_blocks for value in values]
    assert losses == sorted(losses, reverse=True)


def test_the_value_of_a_server_under_a_largest_rate_is_in_requests_per_second():
    best = plan(small_inventory(LAB, LargestRate(0.95, 12)))
    values = value_of_servers(best)
    for value in values:
        by_hand = small_inventory(one_fewer(LAB, best.inventory.gpus[value.servers[0]]), LargestRate(0.95, 12))
        assert value.value_of_new_plan == pytest.approx(plan(by_hand).prediction.rate_per_s, rel=0.03)
    assert [value.value_with_same_blocks is None for value in values] == [
        "no chain" in value.reason for value in values
    ]
    with_same_blocks = [value.value_with_same_blocks or 0.0 for value in values]
    assert with_same_blocks == sorted(with_same_blocks)
    assert with_same_blocks[-1] <= best.prediction.rate_per_s


def test_only_the_ten_most_valuable_servers_have_a_new_plan():
    values = value_of_servers(plan(uneven_inventory(14, Minimise(), 0.8)))
    assert [value.value_of_new_plan is not None for value in values] == [True] * 10 + [False] * 4


def test_only_the_most_valuable_of_many_servers_have_a_value(monkeypatch):
    best = plan(uneven_inventory(14, Minimise(), 0.8))
    all_values = value_of_servers(best)
    monkeypatch.setattr(server_values, "MOST_SLOTS", 0)
    monkeypatch.setattr(server_values, "LEAST_VALUED", 3)
    monkeypatch.setattr(server_values, "MOST_PLACED", 0)
    few_values = value_of_servers(best)
    by_servers = {value.servers: value.value_with_same_blocks for value in all_values}
    assert [value.value_with_same_blocks for value in few_values[:3]] == [
        by_servers[value.servers] for value in few_values[:3]
    ]
    assert few_values[0].servers == all_values[0].servers
    assert len(few_values) == len(all_values)
    assert all("not computed" in value.reason for value in few_values[3:])
    assert all(value.value_of_new_plan is None for value in few_values)
    assert {value.servers for value in few_values} == {value.servers for value in all_values}


def test_a_running_layout_loses_the_chains_of_a_lost_server_or_reroutes():
    inventory = small_inventory({"large": 4}, Minimise(), 0.1)
    swarm = Placement(np.array([0, 0, 6, 6]), np.array([6, 6, 6, 6]))
    rerouted, other = value_of_servers(plan_of_layout(inventory, swarm))
    assert {rerouted.servers, other.servers} == {(0, 1), (2, 3)}
    assert rerouted.value_with_same_blocks is not None
    assert rerouted.value_of_new_plan is None
    hops = (np.array([0, 2, 1, 3]), np.array([6, 6, 6, 6]), np.array([0, 2, 4]))
    pipelines = plan_of_layout(inventory, Composition.of_hops(inventory.system(1.0), swarm, *hops, np.array([2, 3])))
    without_first = value_of_servers(pipelines)
    service_s = 2 * VISIT_S + 12 * KINDS["large"][1]
    by_capacity = {2: (1, 3), 3: (0, 2)}  # the remaining capacity, and without which servers
    for remaining, gone in by_capacity.items():
        mean_s = exact(0.1, [1 / service_s], [remaining]).mean_response_s
        for j in gone:
            value = next(value for value in without_first if value.servers == (j,))
            assert value.value_with_same_blocks == pytest.approx(mean_s)


def test_ranges_are_those_of_an_inventory_with_other_times():
    best = plan(small_inventory(LAB, Minimise(0.95), 0.6))
    by_name = {entry.name: entry for entry in ranges(best, share=0.25)}
    kinds = {best.inventory.gpus[j] for j in best.composition.hop_server}
    assert by_name.keys() == {"block time of all servers", "round-trip times"} | {
        f"block time of {kind} servers" for kind in (kinds if len(kinds) > 1 else ())
    }
    services_s = {}
    for factor in (0.75, 1.25):
        blocks_s = (best.composition.mean_service_s - np.diff(best.composition.hop_start) * VISIT_S) * factor
        services_s["block time of all servers", factor] = blocks_s + np.diff(best.composition.hop_start) * VISIT_S
        links_s = np.diff(best.composition.hop_start) * (factor - 1) * RTT_S
        services_s["round-trip times", factor] = best.composition.mean_service_s + links_s
    for (name, factor), service_s in services_s.items():
        by_hand_s = exact(0.6, 1 / service_s, best.composition.capacity).percentile_s(0.95)
        assert (by_name[name].low if factor < 1 else by_name[name].high) == pytest.approx(by_hand_s)
    spreads = [entry.high - entry.low for entry in ranges(best, share=0.25)]
    assert spreads == sorted(spreads, reverse=True)


def test_an_input_that_makes_the_plan_unstable_comes_first():
    strained = plan(small_inventory(LAB, Minimise(), 0.6))
    rate_per_s = 0.95 * strained.prediction.total_rate_per_s
    first = ranges(plan_of_layout(replace(strained.inventory, rate_per_s=rate_per_s), strained.composition), share=0.5)[
        0
    ]
    assert (first.name, first.high) == ("block time of all servers", None)
    assert first.low is not None


def test_ranges_of_a_largest_rate_fall_with_slower_blocks():
    best = plan(small_inventory(LAB, LargestRate(0.95, 12)))
    slower = next(entry for entry in ranges(best) if entry.name == "block time of all servers")
    assert slower.low > best.prediction.rate_per_s > slower.high


def test_unused_servers_have_a_reason():
    best = plan(small_inventory({"large": 1, "middle": 1, "small": 4}, Minimise(), 0.05))
    all_servers = set(range(6))
    assert {entry.server for entry in unused(best)} == all_servers - set(best.composition.hop_server.tolist())
    assert all("left over" in entry.reason or "too small for this plan" in entry.reason for entry in unused(best))

    tiny = small_inventory({"large": 2, "small": 1}, Minimise(), 0.1)
    servers = replace(tiny.servers, memory_gb=np.array([16.0, 16.0, 1.0]))
    (entry,) = unused(plan(replace(tiny, servers=servers)))
    assert (entry.server, entry.reason) == (2, "too small: 1 GB, but one block and one request's cache need 1.1 GB")

    cheap = plan(small_inventory({"large": 3, "small": 4}, Cheapest(0.95, 12), 0.3))
    dropped = set(range(7)) - set(cheap.members.tolist())
    assert {entry.server for entry in unused(cheap) if "not worth the cost" in entry.reason} == dropped != set()


def fast_links(inventory: Inventory) -> Inventory:
    """Return the same inventory with known round-trip times between servers."""
    count = len(inventory.servers)
    return replace(inventory, servers=replace(inventory.servers, rtt_s=np.full((count, count), RTT_S)))


def test_alternatives_use_the_same_servers_at_the_same_rate():
    best = plan(small_inventory({"large": 4}, Minimise(0.95), 0.4))
    by_name = {entry.name.split(" (")[0]: entry for entry in compare_alternatives(best)}
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
    assert bprr.mean_s + bprr.mean_half_width_s >= best.prediction.mean_s
    with_links = plan(fast_links(best.inventory))
    petals = next(entry for entry in compare_alternatives(with_links) if entry.name == "PETALS")
    assert petals.prediction is not None or "leave more slowly" in petals.reason


def test_an_impossible_alternative_has_a_reason():
    best = plan(small_inventory({"middle": 1, "small": 2}, Minimise(), 0.02))
    by_name = {other.name.split(" (")[0]: other for other in compare_alternatives(best)}
    whole, split = by_name["whole model per server"], by_name["equal split"]
    assert whole.prediction is None
    assert "they need 12 GB and the largest server has 9 GB" in whole.reason
    assert split.prediction.total_rate_per_s > 0.02


def test_a_new_plan_is_an_alternative_to_a_running_layout():
    inventory = small_inventory(LAB, Minimise(0.95), 0.3)
    layout = plan_of_layout(inventory, compose(inventory.system(1.0), 1))
    first = compare_alternatives(layout)[0]
    best = plan(inventory)
    chosen = "searched" if best.is_searched else reserved(best.composition)
    assert first.name == f"new plan ({chosen})"
    assert first.prediction.quantiles_s[0.95] == pytest.approx(best.prediction.quantiles_s[0.95])


def test_the_bottleneck_names_shares_of_time_and_the_limiting_cache():
    best = plan(small_inventory({"large": 2}, Minimise(), 0.5))
    service_s = VISIT_S + 12 * KINDS["large"][1]
    total_s = service_s + best.prediction.waiting_mean_s
    sentence = bottleneck(best)
    computing, communicating = 12 * KINDS["large"][1] / total_s, VISIT_S / total_s
    assert f"{computing:.0%} of its time on computation, {communicating:.0%} on communication" in sentence
    assert sentence.endswith(
        "the cache of large 0, large 1 (large) fills up first: "
        "it limits the capacity of 2 of 2 chains (6 of 6 requests at once)"
    )


def test_a_warning_compares_bursts_with_poisson_arrivals():
    jobs = small_inventory(LAB, Minimise()).workload.jobs(2.0, RandomStreams(5))
    assert busy_rate_per_s(jobs.arrival_s, 20.0) == pytest.approx(2.0, rel=0.05)
    on_and_off = MarkovModulatedPoisson((2.0, 0.0), (1000.0, 3000.0))
    assert busy_rate_per_s(np.cumsum(on_and_off.gaps_s(0.5, 30_000, np.random.default_rng(1))), 20.0) == pytest.approx(
        2.0, rel=0.05
    )
    (sentence,) = [
        s for s in warnings(plan(small_inventory(LAB, Minimise(), 0.3, Hyperexponential(5)))) if "bursts" in s
    ]
    assert "Poisson arrivals and exponential sizes would give" in sentence
    assert not any("bursts" in s for s in warnings(plan(small_inventory(LAB, Minimise(), 0.3, Hyperexponential(1)))))


def test_warnings_name_the_limits_of_the_numbers():
    calm = small_inventory(LAB, Minimise(), 0.3)
    assert warnings(plan(calm)) == ()
    far = replace(calm, servers=replace(calm.servers, communication_s=np.full(5, 9.0)))
    assert any("communication dominates" in sentence for sentence in warnings(plan(far)))
    long_requests = replace(calm, workload=replace(calm.workload, input_tokens=3000))
    assert "100.0% of the requests are longer than the 2048 tokens" in warnings(plan(long_requests))[0]
    brief = small_inventory(LAB, Minimise(), 0.6, Hyperexponential(1))
    brief = replace(brief, workload=replace(brief.workload, job_count=50))
    assert any("the workload of 50 requests lasts" in sentence for sentence in warnings(plan(brief)))


def test_a_better_alternative_is_a_warning():
    best = plan(small_inventory(LAB, Minimise(), 0.3))
    ours = best.prediction
    comparisons = {
        "equal split": Comparison(10.0, 9.0, 0.0),
        "less than 1 %": Comparison(10.0, 9.91, 0.0),
        "within chance": Comparison(10.0, 9.0, 1.1),
        "simulated": Comparison(10.0, 9.0, 0.9),
        "near load 1": None,
    }
    others = [Alternative(name, ours, comparison=comparison) for name, comparison in comparisons.items()]
    first, second = better_alternatives(best, (*others, Alternative("PETALS", None, "no")))
    assert first == "equal split does better: its mean response time is 9 s instead of 10 s"
    assert second.startswith("simulated does better for the same simulated requests: its mean")


def test_a_study_has_every_part():
    whole = study(plan(small_inventory(LAB, Minimise(), 0.3)))
    assert {"whole model per server", "PETALS", "BPRR"} < {other.name for other in whole.alternatives}
    assert whole.server_values
    assert whole.ranges
    assert whole.bottleneck
