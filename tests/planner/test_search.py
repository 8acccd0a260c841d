"""The planner's search: simulations confirm its predictions, and trying everything gives the same choice."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq

from evaluators.queueing import exact
from evaluators.simulation import simulate
from planner.choice import cheapest
from planner.choice.candidates import best, compose
from planner.choice.prediction import predict
from planner.choice.quantity import RateUnderSlo, ResponseTime, quantity_of
from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import Cheapest, LargestRate, Minimise
from planner.inventory.inventory import Inventory
from system import Composition, InfeasibleError, InputError, RandomStreams, UnstableError
from system.intervals import half_width_of
from tests.support.planner_inventories import COST, small_inventory, uneven_inventory
from workloads.arrivals import Hyperexponential, Poisson
from workloads.synthetic import SyntheticWorkload

LAB = {"large": 1, "middle": 1, "small": 2}
MANY = {"large": 8, "middle": 12, "small": 20}
BATCHES = 40


def every_composition(inventory: Inventory) -> list[Composition]:
    """Return the chains of GBP-CR and GCA at each c that gives any."""
    system, compositions = inventory.system(1.0), []
    for c in range(1, system.largest_reservation + 1):
        try:
            compositions.append(compose(system, c))
        except InfeasibleError:
            continue
    return compositions


def time_s(composition: Composition, rate_per_s: float, quantile: float | None) -> float:
    if rate_per_s >= composition.total_rate_per_s:
        return np.inf
    solved = exact(rate_per_s, composition.service_rate_per_s, composition.capacity)
    return solved.mean_response_s if quantile is None else solved.percentile_s(quantile)


def simulated(composition: Composition, rate_per_s: float, jobs: int) -> np.ndarray:
    """Return (batches, jobs) response times without the warm-up."""
    workload = SyntheticWorkload(Poisson(), jobs, input_tokens=1, output_tokens=1)
    times = simulate(workload.jobs(rate_per_s, RandomStreams(3)), composition.mean_service_s, composition.capacity)
    return times.after_warm_up(0.1).response_s.reshape(BATCHES, -1)


@pytest.mark.parametrize(("counts", "rate_per_s"), [(LAB, 0.9), (MANY, 18.0)])
def test_predicted_mean_and_p95_lie_in_the_intervals_of_a_simulation(counts, rate_per_s):
    chosen = plan(small_inventory(counts, Minimise(0.95), rate_per_s))
    response_s = simulated(chosen.composition, rate_per_s, jobs=2_000_000)
    for predicted, in_batches in [
        (chosen.prediction.mean_s, response_s.mean(axis=1)),
        (chosen.prediction.quantiles_s[0.95], np.quantile(response_s, 0.95, axis=1)),
    ]:
        width = half_width_of(in_batches, 0.99)
        assert width < 0.01 * predicted
        assert abs(in_batches.mean() - predicted) < width


@pytest.mark.parametrize("quantile", [None, 0.95])
@pytest.mark.parametrize(
    "inventory",
    [
        small_inventory(LAB, Minimise(), 0.9),
        small_inventory(MANY, Minimise(), 12.0),
        uneven_inventory(9, Minimise(), 0.8),
    ],
)
def test_no_c_has_a_shorter_time(inventory, quantile):
    inventory = replace(inventory, goal=Minimise(quantile))
    least_s = min(time_s(composition, inventory.rate_per_s, quantile) for composition in every_composition(inventory))
    by_c = best(inventory, quantity_of(inventory))
    assert time_s(by_c.composition, inventory.rate_per_s, quantile) == pytest.approx(least_s, rel=1e-9)
    values = [tried.value for tried in by_c.candidates if tried.value is not None]
    assert min(values) == pytest.approx(least_s, rel=1e-9)


@pytest.mark.parametrize(
    "inventory", [small_inventory(LAB, LargestRate(0.95, 12)), uneven_inventory(9, LargestRate(0.95, 12))]
)
def test_no_c_carries_more_under_the_slo(inventory):
    def largest(composition: Composition) -> float:
        total_per_s = composition.total_rate_per_s
        if time_s(composition, 1e-6, 0.95) > 12:
            return 0.0
        return brentq(lambda rate: time_s(composition, rate, 0.95) - 12, 1e-6, total_per_s * (1 - 1e-6))

    by_c = best(inventory, quantity_of(inventory))
    assert by_c.value == pytest.approx(max(map(largest, every_composition(inventory))), rel=1e-6)


@pytest.mark.parametrize("counts", [LAB, MANY])
def test_the_largest_rate_meets_the_slo_and_a_little_more_does_not(counts):
    chosen = plan(small_inventory(counts, LargestRate(0.95, 12)))
    rate_per_s = chosen.prediction.rate_per_s
    assert chosen.prediction.quantiles_s[0.95] <= 12
    assert time_s(chosen.composition, rate_per_s * (1 + 1e-6), 0.95) > 12
    for factor, late in ((0.97, False), (1.03, True)):
        p95_s = np.quantile(simulated(chosen.composition, rate_per_s * factor, 1_000_000), 0.95, axis=1)
        width_s = half_width_of(p95_s, 0.99)
        lower_s, upper_s = p95_s.mean() - width_s, p95_s.mean() + width_s
        assert lower_s > 12 if late else upper_s < 12


def test_no_value_beats_its_limit():
    workload = small_inventory(LAB, Minimise()).workload
    for inventory in (small_inventory(LAB, Minimise()), uneven_inventory(9, Minimise())):
        for composition in every_composition(inventory)[::5]:
            rate_per_s = 0.9 * composition.total_rate_per_s
            for quantile in (None, 0.5, 0.95):
                time = ResponseTime(rate_per_s, quantile, workload)
                assert time.limit(composition) <= time.value(composition) * (1 + 1e-9)
            rate = RateUnderSlo(0.9, 11.0, workload)
            assert rate.limit(composition) >= rate.value(composition)


@cache
def compositions_of(**counts: int) -> list[Composition]:
    return every_composition(small_inventory(counts, Minimise()))


@pytest.mark.parametrize(("rate_per_s", "slo_s"), [(0.3, 9.0), (0.7, 12.0), (1.2, 12.0)])
def test_the_cheapest_choice_is_the_cheapest_of_all(rate_per_s, slo_s):
    available = {"large": 2, "middle": 2, "small": 3}
    chosen = plan(small_inventory(available, Cheapest(0.95, slo_s), rate_per_s))
    costs = []
    for numbers in product(*(range(n + 1) for n in available.values())):
        counts = {kind: n for kind, n in zip(available, numbers, strict=True) if n}
        times_s = [time_s(c, rate_per_s, 0.95) for c in compositions_of(**counts)] if counts else []
        if min(times_s, default=np.inf) <= slo_s:
            costs.append(sum(COST[kind] * n for kind, n in counts.items()))
    assert chosen.inventory.cost_per_hour[chosen.members].sum() == pytest.approx(min(costs))
    assert len(set(costs)) > 1
    assert chosen.prediction.quantiles_s[0.95] <= slo_s


def test_the_greedy_choice_meets_the_slo_and_needs_every_server(monkeypatch):
    monkeypatch.setattr(cheapest, "MOST_CHOICES", 0)
    chosen = plan(small_inventory({"large": 4, "middle": 3, "small": 5}, Cheapest(0.95, 12), 1.5))
    assert chosen.prediction.quantiles_s[0.95] <= 12
    assert chosen.members.size < 12
    for gone in range(chosen.members.size):
        fewer = replace(chosen.inventory.only(np.delete(chosen.members, gone)), goal=Minimise(0.95))
        try:
            assert plan(fewer).prediction.quantiles_s[0.95] > 12
        except (InfeasibleError, UnstableError):
            continue


def test_utilisation_follows_from_littles_law_and_the_shares():
    chosen = plan(small_inventory(LAB, Minimise(), 0.9))
    prediction, composition = chosen.prediction, chosen.composition
    assert prediction.chain_shares.sum() == pytest.approx(1)
    busy = prediction.rate_per_s * prediction.chain_shares * composition.mean_service_s
    assert prediction.mean_s == pytest.approx(busy.sum() / 0.9 + prediction.waiting_mean_s)
    slots = composition.placement.cache_slots(composition.system)
    # Every job in service holds a slot in each block.
    assert prediction.server_utilisation @ slots == pytest.approx(busy.sum() * composition.system.model.block_count)


def test_a_simulated_prediction_agrees_with_the_exact_one():
    chosen = plan(small_inventory(LAB, Minimise(), 0.9))
    poisson_like = SyntheticWorkload(Hyperexponential(cv=1), 400_000, input_tokens=1, output_tokens=1)
    by_simulation = predict(chosen.composition, poisson_like, (0.5, 0.95), seed=1)
    assert (by_simulation.method, chosen.prediction.method) == ("simulated", "exact")
    assert abs(by_simulation.mean_s - chosen.prediction.mean_s) < by_simulation.mean_half_width_s
    for q in (0.5, 0.95):
        assert (
            abs(by_simulation.quantiles_s[q] - chosen.prediction.quantiles_s[q])
            < by_simulation.quantile_half_widths_s[q]
        )
    assert by_simulation.chain_utilisation == pytest.approx(chosen.prediction.chain_utilisation, abs=0.02)
    assert by_simulation.server_utilisation == pytest.approx(chosen.prediction.server_utilisation, abs=0.02)


def test_plans_for_bursts_are_simulated():
    bursty = Hyperexponential(cv=5)
    inventory = small_inventory(LAB, Minimise(0.95), 0.5, bursty)
    bursts = plan(inventory)
    tried = [c.value for c in bursts.candidates if c.value is not None]
    assert bursts.prediction.quantiles_s[0.95] <= min(tried)
    calm = plan(small_inventory(LAB, Minimise(0.95), 0.5))
    assert bursts.prediction.quantiles_s[0.95] > calm.prediction.quantiles_s[0.95]
    largest = plan(small_inventory(LAB, LargestRate(0.95, 12), arrivals=bursty)).prediction
    assert largest.quantiles_s[0.95] <= 12
    assert largest.rate_per_s < plan(small_inventory(LAB, LargestRate(0.95, 12))).prediction.rate_per_s


def test_a_running_layout_is_predicted_as_it_is():
    inventory = small_inventory(LAB, Minimise(), 0.5)
    composition = compose(inventory.system(1.0), 3)
    for layout in (composition, composition.placement):
        running = plan_of_layout(inventory, layout)
        assert running.candidates == ()
        assert running.prediction.mean_s == pytest.approx(time_s(composition, 0.5, None))
    assert (
        plan_of_layout(replace(inventory, goal=LargestRate(0.95, 12)), composition).prediction.quantiles_s[0.95] <= 12
    )


@pytest.mark.parametrize(
    ("inventory", "error", "sentence"),
    [
        (
            small_inventory({"small": 2}, Minimise(), 1),
            InfeasibleError,
            r"hold 10 of its 12 blocks.* 2\.2 GB are missing",
        ),
        (
            small_inventory(LAB, Minimise(), 50),
            UnstableError,
            r"rate_per_s = 50: .*carries less than [\d.]+/s; lower the rate",
        ),
        (small_inventory(LAB, LargestRate(0.95, 1)), InfeasibleError, r"slo_s = 1 .* already [\d.]+ s; raise slo_s"),
        (
            small_inventory(LAB, Cheapest(0.95, 1), 0.1),
            InfeasibleError,
            r"slo_s = 1: .* P95 of the response time is [\d.]+ s; raise slo_s",
        ),
        (small_inventory(LAB, Minimise()), InputError, r"rate_per_s = None: .*give an arrival rate"),
        (
            uneven_inventory(9, Cheapest(0.95, 12), 1),
            InputError,
            r"goal = cheapest: .*give cost_per_hour for every server",
        ),
    ],
)
def test_an_impossible_plan_is_refused_in_one_sentence(inventory, error, sentence):
    with pytest.raises(error, match=sentence):
        plan(inventory)


def test_nearly_the_largest_rate_named_in_a_refusal_can_be_carried():
    with pytest.raises(UnstableError) as refused:
        plan(small_inventory(LAB, Minimise(), 50))
    named_per_s = float(str(refused.value).split("less than ")[1].split("/s")[0])
    assert plan(small_inventory(LAB, Minimise(), 0.99 * named_per_s)).prediction.load < 1
