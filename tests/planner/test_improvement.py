"""The search after the best c, the certificate, and the accuracy of a plan's comparisons."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from planner.choice.candidates import best
from planner.choice.quantity import quantity_of
from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import Cheapest, LargestRate, Minimise
from planner.inventory.services import NamedService
from planner.output.card import plan_card
from planner.results import SAME, Alternative, Comparison
from planner.study.cautions import better_alternatives
from planner.study.study_plan import study
from system.service.steps import Steps
from tests.support.planner_inventories import small_inventory, uneven_inventory
from workloads.arrivals import Hyperexponential, Poisson
from workloads.drawn_lengths import DrawnLengths

LAB = {"large": 2, "middle": 1, "small": 2}
LOADED = uneven_inventory(12, Minimise(), 4.0)


@pytest.mark.parametrize("goal", [Minimise(), Minimise(0.95), LargestRate(0.95, 12)])
def test_a_search_is_never_worse_than_the_best_c(goal):
    inventory = replace(LOADED, goal=goal)
    quantity, searched = quantity_of(inventory), plan(inventory)
    by_c = best(inventory, quantity)
    assert quantity.sign * searched.goal_value <= quantity.sign * by_c.value * (1 + 1e-9)
    assert searched.search.value_of_best_c == by_c.value
    assert searched.search.best_c == by_c.composition.placement.reserved_capacity
    value = quantity.value(searched.composition)
    assert searched.goal_value == pytest.approx(value, rel=1e-9)
    searched.composition.check()


def test_a_search_finds_more_where_servers_are_uneven():
    searched = plan(LOADED)
    assert searched.is_searched
    assert searched.goal_value < 0.99 * searched.search.value_of_best_c
    assert searched.search.accuracy < 0.05
    names = [other.name for other in study(searched).alternatives]
    assert names[0] == f"one reservation (for {searched.search.best_c} requests)"


def test_a_search_for_bursts_is_judged_by_their_simulation():
    inventory = replace(LOADED, workload=small_inventory(LAB, Minimise(), 0.3, Hyperexponential(5)).workload)
    searched = plan(inventory)
    assert searched.prediction.method == "simulated"
    assert searched.certificate is None
    assert searched.goal_value <= best(inventory, quantity_of(inventory)).value


def test_nothing_is_searched_where_requests_slow_each_other():
    requests = DrawnLengths(Poisson(), 500, input_tokens=20, output_tokens=4)
    slowed = plan(replace(LOADED, rate_per_s=0.01, workload=requests, service=NamedService("steps", {}, Steps())))
    assert slowed.search is None
    assert slowed.certificate is None


def test_no_composition_passes_the_certificate():
    searched = plan(LOADED)
    assert 0 <= searched.gap < 0.5
    assert searched.certificate.rate_per_s > searched.prediction.total_rate_per_s
    running = plan_of_layout(LOADED, best(LOADED, quantity_of(LOADED)).composition)
    assert running.certificate == searched.certificate
    assert running.gap > searched.gap


def test_the_card_states_the_certified_gap_and_what_the_search_gained():
    searched = plan(LOADED)
    card = " ".join(plan_card(study(searched), "lab", searched).split())
    assert f"is at most {100 * searched.gap:.1f}%"[:14] in card
    assert "no plan carries" in card
    assert f"with one reservation for all ({searched.search.best_c} requests at once)" in card


def test_a_difference_below_the_accuracy_is_no_advice():
    searched = plan(LOADED)
    coarse = replace(searched, search=replace(searched.search, accuracy=0.05))
    for share, is_named in ((0.96, False), (0.94, True)):
        ours_s = searched.prediction.mean_s
        other = Alternative("equal split", searched.prediction, "", Comparison(ours_s, share * ours_s, 0.0))
        assert bool(list(better_alternatives(coarse, (other,)))) == is_named
    whole = study(coarse)
    new_plans = [value.value_of_new_plan or np.inf for value in whole.server_values]
    assert min(new_plans) < 1.05 * coarse.goal_value
    assert "at most 5.0%, the plan's accuracy, count as none" in " ".join(plan_card(whole, "lab", coarse).split())


def test_chains_that_do_no_harm_stay_as_spare():
    searched = plan(LOADED)
    every = gca(searched.composition.system, searched.composition.placement)
    assert len(searched.composition) <= len(every)
    for count in range(len(searched.composition) + 1, len(every) + 1):
        more = plan_of_layout(LOADED, every.only(range(count)))
        assert more.goal_value > searched.goal_value * (1 + SAME / 2)


def test_the_cheapest_servers_are_searched_too():
    searched = plan(small_inventory({"large": 1, "middle": 2, "small": 3}, Cheapest(0.95, 12), 0.6))
    assert searched.search is not None
    assert searched.prediction.quantiles_s[0.95] <= 12
    assert np.isfinite(searched.gap)
