"""Advice: the fastest machine alone, one more machine, and the remedies where a model does not fit."""

import re
from dataclasses import replace

import numpy as np
import pytest
import yaml

from evaluators.queueing import exact
from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import Cheapest, LargestRate, Minimise, MostTokens
from planner.inventory.reading import inventory_of
from planner.output.losses import what_if_lines
from planner.results import Study
from planner.study import advice as module
from planner.study.advice import enlarged, what_if
from planner.study.server_values import planned_again, value_of_servers
from planner.words import digits
from system import InfeasibleError
from tests.support.planner_inventories import small_inventory
from tests.support.project import ROOT

EXAMPLE = yaml.safe_load((ROOT / "planner/examples/lab.yaml").read_text())
LAB = {"large": 2, "middle": 1, "small": 2}
OF_USERS = {"users": 2, "input_tokens": 800, "output_tokens": 200}


@pytest.fixture(scope="module")
def lab():
    return plan(inventory_of(EXAMPLE | {"workload": EXAMPLE["workload"] | {"rate_per_s": 0.2}}, ROOT))


@pytest.fixture(scope="module")
def judged(lab):
    values = value_of_servers(lab)
    return Study(lab, (), (), values, (), "none", (), (), what_if(lab, values))


def test_the_fastest_machine_alone_has_its_own_speed_and_response_time(lab, judged):
    alone = judged.what_if[0]
    servers, model = lab.inventory.servers, lab.inventory.model
    hosts = np.flatnonzero(servers.memory_gb >= 80 * (model.block_memory_gb + model.cache_memory_gb))
    assert hosts.tolist() == [alone.server] == [0]
    visit_s = servers.communication_s[0] + 80 * servers.block_s[0]
    assert alone.tokens_per_s == pytest.approx(1 / visit_s[2])
    capacity = int((servers.memory_gb[0] - 80 * model.block_memory_gb) / model.cache_memory_gb) // 80
    by_hand = exact(0.2, np.array([1 / (visit_s @ [1, 800, 199])]), np.array([capacity])).percentile_s(0.95)
    assert alone.value == pytest.approx(by_hand)


def test_where_no_machine_holds_the_model_the_advice_says_so():
    alone = what_if(plan(small_inventory({"middle": 2, "small": 2}, Minimise(), 0.1)), ())[0]
    assert (alone.server, alone.value, alone.reason) == (None, None, "no machine can hold the whole model")


@pytest.mark.parametrize("goal", [Minimise(0.95), LargestRate(0.95, 12)])
def test_one_more_machine_is_worth_what_a_plan_with_it_is_and_never_less_than_nothing(goal):
    rate_per_s = None if isinstance(goal, LargestRate) else 0.9
    best = plan(small_inventory(LAB, goal, rate_per_s))
    sign = -1 if isinstance(goal, LargestRate) else 1
    more = {change.name.removeprefix("one more "): change.value for change in what_if(best, ())[1:]}
    assert more.keys() == LAB.keys()
    for kind, value in more.items():
        assert sign * value <= sign * best.goal_value
        larger = plan(small_inventory(LAB | {kind: LAB[kind] + 1}, goal, rate_per_s))
        assert value == pytest.approx(larger.goal_value, rel=0.03)  # the search for the advice is shorter


def test_one_more_machine_never_slows_users():
    for users in (1, 2):
        best = plan(inventory_of(EXAMPLE | {"workload": OF_USERS | {"users": users}, "goal": "tokens_per_s"}, ROOT))
        assert best.inventory.goal == MostTokens()
        assert all(change.value >= best.goal_value for change in what_if(best, ())[1:])


def test_a_further_machine_is_as_far_from_its_twin_as_the_nearest_other(lab):
    inventory = enlarged(lab, 1)
    assert inventory.servers.names == (*lab.inventory.servers.names, "one more tower")
    assert inventory.servers.rtt_s[-1].tolist() == pytest.approx([4e-4, 4e-4, 4e-4, 4e-4, 0.0])
    assert inventory.gpus[-1] == "rtx_4090"
    assert len(lab.inventory.servers) == 4


def test_kinds_that_are_missed_most_come_first_and_others_are_said_not_to_be_computed(lab, judged, monkeypatch):
    monkeypatch.setattr(module, "MOST_KINDS", 1)
    changes = what_if(lab, judged.server_values)[1:]
    assert changes[0].server == judged.server_values[0].servers[0]
    assert [change.reason for change in changes] == ["", *["not computed, to save time"] * 3]
    text = " ".join(" ".join(what_if_lines(replace(judged, what_if=changes))).split())
    assert re.search(r"One more \S+, one more \S+, one more \S+: not computed, to save time", text)


def test_large_clusters_have_fewer_new_plans():
    assert [planned_again(servers) for servers in (4, 14, 40, 400)] == [10, 10, 3, 2]


def test_neither_the_cheapest_servers_nor_a_running_layout_get_one_more():
    for best in (
        plan(small_inventory(LAB, Cheapest(0.95, 12), 0.5)),
        plan_of_layout((inventory := small_inventory(LAB, Minimise(), 0.5)), plan(inventory).composition),
    ):
        assert [change.kind for change in what_if(best, ())] == ["alone"]


def test_the_table_shows_gains_and_losses_against_the_plan(lab, judged):
    rows = {line[:24].strip(): line for line in what_if_lines(judged)}
    for change in judged.what_if:
        share = change.value / lab.goal_value - 1
        expected = "none" if abs(share) <= lab.accuracy else "worse" if share > 0 else "better"
        assert (expected in rows[change.name]) if change.name in rows else expected == "none"
    (value,) = [value for value in judged.server_values if value.servers == (0,)]
    assert rows["without workstation"].split()[2:4] == [digits(value.value_with_same_blocks), "s"]
    assert any(line.startswith(f"This plan: {lab.goal_value:.1f} s.") for line in rows.values())


@pytest.mark.parametrize(("weights", "tokens"), [("int8", 4096), ("16 bit", 4096), ("nf4", 130_000)])
def test_every_remedy_of_a_model_that_does_not_fit_makes_it_fit(weights, tokens):
    servers = [{"name": "a", "count": 2, "gpu": "rtx_3090", "rtt_ms": 0.3}]
    small = EXAMPLE | {
        "model": {"preset": "llama3_70b", "weights": weights},
        "cache_tokens": tokens,
        "servers": servers,
    }
    small |= {"workload": EXAMPLE["workload"] | {"rate_per_s": 0.001}}
    small = {key: value for key, value in small.items() if key != "rtt_between_servers_ms"}
    with pytest.raises(InfeasibleError, match=r"GB are missing: it fits with .*more servers? like a-1$") as refused:
        plan(inventory_of(small, ROOT))
    text = str(refused.value)
    count = int(re.search(r"(\d+) more server", text)[1])
    remedies = [small | {"servers": [servers[0] | {"count": 2 + count}]}]
    if named := re.search(r"weights: (\w+)", text):
        remedies.append(small | {"model": {"preset": "llama3_70b", "weights": named[1]}})
    if named := re.search(r"cache_tokens: (\d+)", text):
        remedies.append(small | {"cache_tokens": int(named[1])})
    assert len(remedies) == {"int8": 2, "16 bit": 2, "nf4": 2}[weights]
    for content in remedies:
        assert plan(inventory_of(content, ROOT)).composition.total_capacity >= 1
    fewer = small | {"servers": [servers[0] | {"count": 1 + count}]}
    with pytest.raises(InfeasibleError, match="GB are missing"):
        plan(inventory_of(fewer, ROOT))


def test_memory_that_is_closed_to_the_gpu_is_a_remedy():
    mac = {"name": "studio", "gpu": "m3_ultra", "memory_gb": 512, "rtt_ms": 0}
    home = EXAMPLE | {"model": {"preset": "deepseek_r1", "weights": "q4_k_m"}, "servers": [mac]}
    home = {key: value for key, value in home.items() if key != "rtt_between_servers_ms"}
    home |= {"workload": EXAMPLE["workload"] | {"rate_per_s": 0.001}}
    with pytest.raises(InfeasibleError, match="free_memory_gb for studio"):
        plan(inventory_of(home, ROOT))
    assert plan(inventory_of(home | {"servers": [mac | {"free_memory_gb": 480}]}, ROOT)).composition.total_capacity
