"""Plans that an engine can start: disjoint chains, their search, and the memory at the ends of chains."""

from dataclasses import replace
from functools import cache
from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from exports.chains import own_chains
from exports.llamacpp import MOST_DEVICES, MOST_SLOTS
from planner.choice.chains.ends import ends_gb
from planner.choice.chains.own_chains import Limits, OwnChains
from planner.choice.improvement import improved
from planner.choice.quantity import quantity_of, value_or_none
from planner.choice.search import plan, plan_of_layout
from planner.choice.sharing.computation import shared_computation
from planner.choice.sharing.services import shared_service
from planner.choice.sharing.users import loop_of
from planner.inventory.engines import ENGINES
from planner.inventory.goals import LargestRate, Minimise
from planner.inventory.reading import inventory_of
from planner.output.card import plan_card
from planner.output.devices import device_rows
from planner.output.start_commands import exports
from planner.results import Restriction
from planner.study.cautions import warnings
from planner.study.study_plan import study
from system import Composition, InfeasibleError, Placement
from tests.support.planner_inventories import small_inventory, uneven_inventory
from tests.support.project import ROOT

LLAMACPP, VLLM = ENGINES["llama.cpp"], ENGINES["vllm"]
THREE_BOXES = {
    "model": {"preset": "llama3_70b", "weights": "nf4"},
    "cache_tokens": 4096,
    "servers": [
        {"name": "boxA", "count": 2, "gpu": "rtx_3090", "rtt_ms": 0.2},
        {"name": "boxB-3090", "gpu": "rtx_3090", "rtt_ms": 0.3},
        {"name": "boxB-3080", "gpu": "rtx_3080", "rtt_ms": 0.3},
        {"name": "boxC", "count": 4, "gpu": "rtx_2080_ti", "rtt_ms": 0.3},
    ],
    "overheads": {"prefill_ms": 5, "token_ms": 2},
    "workload": {"rate_per_s": 0.3, "input_tokens": 800, "output_tokens": 200},
    "goal": {"minimise": "p95"},
}
ONE_A100 = {
    "model": {"preset": "llama3_70b", "weights": "nf4"},
    "cache_tokens": 2048,
    "servers": [{"name": "x", "gpu": "a100_40gb", "rtt_ms": 0}],
    "overheads": {"prefill_ms": 0, "token_ms": 0},
    "workload": {"rate_per_s": 0.001, "input_tokens": 512, "output_tokens": 128},
}
WORST_GAP = 0.01  # of the search to the best of all


@cache
def planned(engine):
    return plan(inventory_of(THREE_BOXES | {"engine": engine}, ROOT))


def divisions(servers):
    """Yield all ways to put servers into chains or aside."""
    if not servers:
        yield []
        return
    first, *rest = servers
    for parts in divisions(rest):
        yield parts
        yield [[first], *parts]
        for n, part in enumerate(parts):
            yield [*parts[:n], [first, *part], *parts[n + 1 :]]


def splits(system, members):
    """Yield (split, largest capacity) for every split of the blocks over a chain's servers."""
    model, blocks = system.model, system.model.block_count
    for bounds in combinations_with_replacement(range(1, blocks), len(members) - 1):
        split = np.diff([0, *bounds, blocks])
        if (split < 1).any():
            continue
        free_gb = system.servers.memory_gb[members] - split * model.block_memory_gb
        capacity = int(np.floor((free_gb / (split * model.cache_memory_gb)).min() + 1e-9))
        if capacity > 0:
            yield split, min(capacity, MOST_SLOTS)


def best_splits(system, members):
    """Return the splits that no other one beats in both time and capacity."""
    options = [
        (float(sum(system.communication_s[members] + system.block_s[members] * split)), capacity, split)
        for split, capacity in splits(system, members)
    ]
    options.sort(key=lambda option: (option[0], -option[1]))
    kept = []
    for option in options:
        if not kept or option[1] > kept[-1][1]:
            kept.append(option)
    return kept


def composition_of(system, chains):
    """Return the composition of (members, split, capacity) of several chains."""
    first, count = np.zeros((2, len(system.servers)), np.int64)
    for members, split, _ in chains:
        first[members], count[members] = np.cumsum(split) - split, split
    hops, blocks = (np.concatenate([chain[n] for chain in chains]) for n in (0, 1))
    start = np.cumsum([0, *(len(members) for members, _, _ in chains)])
    capacity = np.array([capacity for _, _, capacity in chains])
    return Composition.of_hops(system, Placement(first, count), hops, blocks, start, capacity)


def best_of_all(inventory):
    """Return the best value of all divisions, splits and capacities."""
    quantity, system = quantity_of(inventory), inventory.system(1.0)
    values, options = [], {}
    for parts in divisions(list(range(len(inventory.servers)))):
        for members in parts:
            if tuple(members) not in options:
                options[tuple(members)] = best_splits(system, members)
        for chosen in product(*(options[tuple(members)] for members in parts)) if parts else ():
            chains = [(members, split, c) for members, (_, c, split) in zip(parts, chosen, strict=True)]
            value = value_or_none(quantity, composition_of(system, chains))
            if value is not None:
                values.append(quantity.sign * value)
    return quantity.sign * min(values)


@pytest.mark.parametrize(
    "inventory",
    [
        small_inventory({"large": 1, "middle": 1, "small": 2}, Minimise(), 0.6),
        small_inventory({"large": 1, "small": 3}, Minimise(0.95), 0.5),
        small_inventory({"middle": 2, "small": 2}, LargestRate(0.95, 15)),
        uneven_inventory(4, Minimise(), 0.4),
        uneven_inventory(4, LargestRate(0.95, 12)),
    ],
)
def test_a_search_finds_the_best_division_of_a_few_servers(inventory):
    restricted = replace(inventory, engine=LLAMACPP)
    quantity = quantity_of(restricted)
    value, best = improved(restricted, quantity).value, best_of_all(inventory)
    assert quantity.sign * (value / best - 1) <= WORST_GAP
    assert quantity.sign * (value / best - 1) >= -1e-3  # nothing beats the best of all


def test_every_chain_of_a_restricted_plan_can_be_started():
    best = planned("llama.cpp")
    chains = best.composition
    assert own_chains(chains) == list(range(len(chains)))
    by_engine = {export.engine: export for export in exports(best)}
    assert len(by_engine["llama.cpp"].chains) == len(by_engine["vLLM"].chains) == len(chains)
    assert chains.most_hops <= MOST_DEVICES
    assert chains.capacity.max() <= MOST_SLOTS
    hosted = chains.placement.block_count
    np.testing.assert_array_equal(hosted[chains.hop_server], chains.hop_blocks)
    assert hosted.sum() == len(chains) * chains.system.model.block_count


def test_the_card_says_what_the_restriction_costs():
    best = planned("llama.cpp")
    assert best.restriction.value >= best.restriction.value_of_any
    words = " ".join(plan_card(study(best), "", best).split())
    assert "Engine llama.cpp: P95 response time" in words
    assert "where a plan for any engine has" in words
    assert planned("any").restriction is None


def test_a_plan_for_any_engine_hints_at_the_restriction():
    best = planned("any")
    started = {export.engine: len(export.chains) for export in exports(best)}
    words = " ".join(plan_card(study(best), "", best).split())
    hint = "write engine: llama.cpp to restrict the plan to what it can start"
    assert (hint in words) == (started["llama.cpp"] < len(best.composition))
    assert "write engine" not in " ".join(plan_card(study(planned("llama.cpp")), "", planned("llama.cpp")).split())


def test_petals_is_said_to_enforce_no_chains():
    best = plan(inventory_of(THREE_BOXES | {"engine": "petals", "rtt_between_servers_ms": 0.3}, ROOT))
    whole = study(best)
    words = " ".join(plan_card(whole, "", best).split())
    assert "Clients of PETALS choose their own paths" in words
    (routed,) = [other for other in whole.alternatives if other.name == "these blocks, PETALS' paths"]
    assert routed.prediction is not None


def test_a_restriction_is_a_relative_change():
    assert Restriction("vllm", 32.0, 29.6).change == pytest.approx(0.081, abs=1e-3)


def test_chains_keep_to_the_limits_of_llama_cpp():
    system = small_inventory({"small": 20}, Minimise(), 0.1).system(1.0)
    short = OwnChains(system, Limits(2, 3))
    assert not short.options((0,) * 2)
    assert not short.options((0,) * 4)  # it fits, but has too many servers
    assert max(option.capacity for option in OwnChains(system, Limits(15, 3)).options((0,) * 5)) == 3


def with_ends(inventory, embedding_gb, head_gb):
    model = replace(inventory.model, embedding_gb=embedding_gb, head_gb=head_gb)
    return replace(inventory, model=model)


def test_a_model_whose_head_does_not_fit_beside_it_is_not_promised():
    inventory = inventory_of(ONE_A100, ROOT)
    assert plan(with_ends(inventory, 0.0, 0.0)).composition.total_capacity == 3
    with pytest.raises(InfeasibleError, match=r"does not fit: .* reserved for the embedding and the output head"):
        plan(with_ends(inventory, 2.1, 2.1))
    near = replace(inventory.servers, orchestrator_rtt_s=np.array([1e-4]))  # the orchestrator has the embedding
    with pytest.raises(InfeasibleError, match="reserved for the output head"):
        plan(with_ends(replace(inventory, servers=near), 2.1, 2.1))


@pytest.mark.parametrize("engine", ["any", "llama.cpp", "vllm"])
def test_ends_of_chains_have_memory_where_they_lie(engine):
    inventory = with_ends(inventory_of(THREE_BOXES | {"engine": engine}, ROOT), 1.5, 2.0)
    best = plan(inventory)
    chains, model = best.composition, inventory.model
    taken_gb = chains.placement.block_count * model.block_memory_gb + chains.slots_used() * model.cache_memory_gb
    ends = np.zeros(len(chains.system.servers))
    for chain in chains.chains:
        ends[chain.servers[-1]] = max(ends[chain.servers[-1]], 2.0)
    if engine == "vllm":
        for chain in chains.chains:
            ends[chain.servers[0]] = 1.5 + 2.0 * (len(chain.servers) == 1)
    np.testing.assert_array_equal(ends_gb(chains, inventory), ends)
    assert (taken_gb + ends <= inventory.servers.memory_gb + 1e-9).all()


def test_the_devices_of_a_machine_keep_the_memory_of_the_head_free():
    box = {"name": "box", "gpus": [{"gpu": "rtx_3090", "count": 2}], "rtt_ms": 1}
    content = THREE_BOXES | {"servers": [box], "engine": "llama.cpp"}
    content |= {"workload": THREE_BOXES["workload"] | {"rate_per_s": 0.01}}
    inventory = with_ends(inventory_of(content, ROOT), 0.0, 3.0)
    best, model = plan(inventory), inventory.model
    ((jobs,), rows) = best.composition.capacity.tolist(), device_rows(best, 0)
    first, last = (row["end_block"] - row["first_block"] for row in rows)
    assert first + last == 80
    assert last < first
    block_gb = model.block_memory_gb + jobs * model.cache_memory_gb
    assert last * block_gb + 3.0 <= inventory.devices[0][1].memory_gb + block_gb


def test_devices_inside_machines_count_for_llama_cpp():
    boxes = [{"name": f"b{n}", "gpus": [{"gpu": "rtx_3060", "count": 8}], "rtt_ms": 1} for n in range(2)]
    content = THREE_BOXES | {"model": {"preset": "llama3_70b"}, "servers": boxes}
    content |= {"workload": THREE_BOXES["workload"] | {"rate_per_s": 0.001}}
    assert plan(inventory_of(content, ROOT)).composition.most_hops == 2
    with pytest.raises(InfeasibleError, match="it starts no chain of more than 15 devices"):
        plan(inventory_of(content | {"engine": "llama.cpp"}, ROOT))


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
def test_users_and_rates_have_the_same_service_model(engine):
    inventory = replace(inventory_of(THREE_BOXES, ROOT), engine=engine)
    assert shared_computation(inventory).service == loop_of(inventory).service.model
    assert shared_service(inventory).name == engine.service


def test_petals_keeps_both_ends_at_its_clients():
    inventory = with_ends(inventory_of(THREE_BOXES | {"engine": "petals"}, ROOT), 1.5, 2.0)
    assert not ends_gb(planned("any").composition, inventory).any()


def test_a_layout_without_memory_for_its_head_is_a_warning():
    inventory = inventory_of(ONE_A100, ROOT)
    layout = plan(with_ends(inventory, 0.0, 0.0)).composition
    running = plan_of_layout(with_ends(inventory, 0.0, 1.0), layout)
    assert any("output head do not fit beside the blocks" in sentence for sentence in warnings(running))
    running = plan_of_layout(with_ends(inventory, 0.0, 0.01), layout)
    assert not any("output head" in sentence for sentence in warnings(running))
