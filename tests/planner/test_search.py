"""The planner's search: predictions hold in simulation, and the choice is that of trying everything."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq

from evaluators.queueing import exact
from evaluators.simulation import simulate
from planner.choice import cheapest
from planner.choice.candidates import compose
from planner.choice.prediction import predict
from planner.choice.quantity import RateUnderSlo, ResponseTime
from planner.choice.search import plan, plan_of_layout
from planner.inventory.goals import Cheapest, LargestRate, Minimise
from planner.inventory.inventory import Inventory
from system import Composition, InfeasibleError, InputError, RandomStreams, UnstableError
from system.intervals import half_width_of
from tests.support.planner_inventories import COST, inventory, uneven
from workloads.arrivals import Hyperexponential, Poisson
from workloads.synthetic import SyntheticWorkload

LAB = {"large": 1, "middle": 1, "small": 2}
MANY = {"large": 8, "middle": 12, "small": 20}
BATCHES = 40


def every_composition(asked: Inventory) -> list[Composition]:
    """GBP-CR and GCA at each c from 1 to the largest, without those that give no chain."""
    system, found = asked.system(1.0), []
    for c in range(1, system.largest_reservation + 1):
        try:
            found.append(compose(system, c))
        except InfeasibleError:
            continue
    return found


def time_s(composition: Composition, rate_per_s: float, quantile: float | None) -> float:
    if rate_per_s >= composition.total_rate_per_s:
        return np.inf
    solved = exact(rate_per_s, composition.service_rate_per_s, composition.capacity)
    return solved.mean_response_s if quantile is None else solved.percentile_s(quantile)


def simulated(composition: Composition, rate_per_s: float, jobs: int) -> np.ndarray:
    """(batches, jobs) response times without a warm-up."""
    workload = SyntheticWorkload(Poisson(), jobs, input_tokens=1, output_tokens=1)
    times = simulate(workload.jobs(rate_per_s, RandomStreams(3)), composition.mean_service_s, composition.capacity)
    return times.after_warm_up(0.1).response_s.reshape(BATCHES, -1)


@pytest.mark.parametrize(("counts", "rate_per_s"), [(LAB, 0.9), (MANY, 18.0)])
def test_predicted_mean_and_p95_lie_in_the_simulations_interval(counts, rate_per_s):
    found = plan(inventory(counts, Minimise(0.95), rate_per_s))
    response_s = simulated(found.composition, rate_per_s, jobs=2_000_000)
    for predicted, in_batches in [
        (found.prediction.mean_s, response_s.mean(axis=1)),
        (found.prediction.quantiles_s[0.95], np.quantile(response_s, 0.95, axis=1)),
    ]:
        width = half_width_of(in_batches, 0.99)
        assert width < 0.01 * predicted
        assert abs(in_batches.mean() - predicted) < width


@pytest.mark.parametrize("quantile", [None, 0.95])
@pytest.mark.parametrize(
    "asked", [inventory(LAB, Minimise(), 0.9), inventory(MANY, Minimise(), 12.0), uneven(9, Minimise(), 0.8)]
)
def test_no_c_has_a_shorter_time(asked, quantile):
    found = plan(replace(asked, goal=Minimise(quantile)))
    least_s = min(time_s(composition, asked.rate_per_s, quantile) for composition in every_composition(asked))
    assert time_s(found.composition, asked.rate_per_s, quantile) == pytest.approx(least_s, rel=1e-9)
    values = [tried.value for tried in found.candidates if tried.value is not None]
    assert min(values) == pytest.approx(least_s, rel=1e-9)


@pytest.mark.parametrize("asked", [inventory(LAB, LargestRate(0.95, 12)), uneven(9, LargestRate(0.95, 12))])
def test_no_c_carries_more_under_the_slo(asked):
    def largest(composition: Composition) -> float:
        total_per_s = composition.total_rate_per_s
        if time_s(composition, 1e-6, 0.95) > 12:
            return 0.0
        return brentq(lambda rate: time_s(composition, rate, 0.95) - 12, 1e-6, total_per_s * (1 - 1e-6))

    found = plan(asked)
    assert found.prediction.rate_per_s == pytest.approx(max(map(largest, every_composition(asked))), rel=1e-6)


@pytest.mark.parametrize("counts", [LAB, MANY])
def test_the_largest_rate_meets_the_slo_and_a_little_more_does_not(counts):
    found = plan(inventory(counts, LargestRate(0.95, 12)))
    rate_per_s = found.prediction.rate_per_s
    assert found.prediction.quantiles_s[0.95] <= 12
    assert time_s(found.composition, rate_per_s * (1 + 1e-6), 0.95) > 12
    for factor, late in ((0.97, False), (1.03, True)):
        p95_s = np.quantile(simulated(found.composition, rate_per_s * factor, 1_000_000), 0.95, axis=1)
        width_s = half_width_of(p95_s, 0.99)
        lower_s, upper_s = p95_s.mean() - width_s, p95_s.mean() + width_s
        assert lower_s > 12 if late else upper_s < 12


def test_no_value_beats_its_limit():
    workload = inventory(LAB, Minimise()).workload
    for asked in (inventory(LAB, Minimise()), uneven(9, Minimise())):
        for composition in every_composition(asked)[::5]:
            rate_per_s = 0.9 * composition.total_rate_per_s
            for quantile in (None, 0.5, 0.95):
                time = ResponseTime(rate_per_s, quantile, workload)
                assert time.limit(composition) <= time.value(composition) * (1 + 1e-9)
            rate = RateUnderSlo(0.9, 11.0, workload)
            assert rate.limit(composition) >= rate.value(composition)


@cache
def compositions_of(**counts: int) -> list[Composition]:
    return every_composition(inventory(counts, Minimise()))


@pytest.mark.parametrize(("rate_per_s", "slo_s"), [(0.3, 9.0), (0.7, 12.0), (1.2, 12.0)])
def test_cheapest_is_the_cheapest_of_all_choices(rate_per_s, slo_s):
    available = {"large": 2, "middle": 2, "small": 3}
    found = plan(inventory(available, Cheapest(0.95, slo_s), rate_per_s))
    costs = []
    for numbers in product(*(range(n + 1) for n in available.values())):
        counts = {kind: n for kind, n in zip(available, numbers, strict=True) if n}
        times_s = [time_s(c, rate_per_s, 0.95) for c in compositions_of(**counts)] if counts else []
        if min(times_s, default=np.inf) <= slo_s:
            costs.append(sum(COST[kind] * n for kind, n in counts.items()))
    assert found.inventory.cost_per_hour[found.members].sum() == pytest.approx(min(costs))
    assert len(set(costs)) > 1
    assert found.prediction.quantiles_s[0.95] <= slo_s


def test_the_greedy_choice_meets_the_slo_and_no_server_can_be_given_up(monkeypatch):
    monkeypatch.setattr(cheapest, "MOST_CHOICES", 0)
    found = plan(inventory({"large": 4, "middle": 3, "small": 5}, Cheapest(0.95, 12), 1.5))
    assert found.prediction.quantiles_s[0.95] <= 12
    assert found.members.size < 12
    for gone in range(found.members.size):
        fewer = replace(found.inventory.only(np.delete(found.members, gone)), goal=Minimise(0.95))
        try:
            assert plan(fewer).prediction.quantiles_s[0.95] > 12
        except (InfeasibleError, UnstableError):
            continue


def test_utilisation_follows_from_littles_law_and_the_shares():
    found = plan(inventory(LAB, Minimise(), 0.9))
    prediction, composition = found.prediction, found.composition
    assert prediction.chain_shares.sum() == pytest.approx(1)
    busy = prediction.rate_per_s * prediction.chain_shares * composition.mean_service_s
    assert prediction.mean_s == pytest.approx(busy.sum() / 0.9 + prediction.waiting_mean_s)
    slots = composition.placement.cache_slots(composition.system)
    # Every job in service holds a slot for each of the blocks.
    assert prediction.server_utilisation @ slots == pytest.approx(busy.sum() * composition.system.model.block_count)


def test_a_by_simulationprediction_agrees_with_the_exact_one():
    found = plan(inventory(LAB, Minimise(), 0.9))
    as_good_as_poisson = SyntheticWorkload(Hyperexponential(cv=1), 400_000, input_tokens=1, output_tokens=1)
    by_simulation = predict(found.composition, as_good_as_poisson, (0.5, 0.95), seed=1)
    assert (by_simulation.method, found.prediction.method) == ("simulated", "exact")
    assert abs(by_simulation.mean_s - found.prediction.mean_s) < by_simulation.mean_half_width_s
    for q in (0.5, 0.95):
        assert (
            abs(by_simulation.quantiles_s[q] - found.prediction.quantiles_s[q])
            < by_simulation.quantile_half_widths_s[q]
        )
    assert by_simulation.chain_utilisation == pytest.approx(found.prediction.chain_utilisation, abs=0.02)
    assert by_simulation.server_utilisation == pytest.approx(found.prediction.server_utilisation, abs=0.02)


def test_bursts_are_planned_for_by_simulation():
    bursty = Hyperexponential(cv=5)
    asked = inventory(LAB, Minimise(0.95), 0.5, bursty)
    found = plan(asked)
    tried = [c.value for c in found.candidates if c.value is not None]
    assert found.prediction.quantiles_s[0.95] == pytest.approx(min(tried))
    assert found.prediction.quantiles_s[0.95] > plan(inventory(LAB, Minimise(0.95), 0.5)).prediction.quantiles_s[0.95]
    largest = plan(inventory(LAB, LargestRate(0.95, 12), arrivals=bursty)).prediction
    assert largest.quantiles_s[0.95] <= 12
    assert largest.rate_per_s < plan(inventory(LAB, LargestRate(0.95, 12))).prediction.rate_per_s


def test_a_layout_that_runs_is_predicted_as_it_is():
    asked = inventory(LAB, Minimise(), 0.5)
    composition = compose(asked.system(1.0), 3)
    for layout in (composition, composition.placement):
        found = plan_of_layout(asked, layout)
        assert found.candidates == ()
        assert found.prediction.mean_s == pytest.approx(time_s(composition, 0.5, None))
    assert plan_of_layout(replace(asked, goal=LargestRate(0.95, 12)), composition).prediction.quantiles_s[0.95] <= 12


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        (inventory({"small": 2}, Minimise(), 1), InfeasibleError, r"hold 10 of its 12 blocks.* 2\.2 GB are missing"),
        (
            inventory(LAB, Minimise(), 50),
            UnstableError,
            r"rate_per_s = 50: .*carries less than [\d.]+/s; lower the rate",
        ),
        (inventory(LAB, LargestRate(0.95, 1)), InfeasibleError, r"slo_s = 1 .* already [\d.]+ s; raise slo_s"),
        (inventory(LAB, Cheapest(0.95, 1), 0.1), InfeasibleError, r"slo_s = 1.* all 4 together reach [\d.]+ s"),
        (inventory(LAB, Minimise()), InputError, r"rate_per_s = None: .*give an arrival rate"),
        (uneven(9, Cheapest(0.95, 12), 1), InputError, r"needs cost_per_hour for every server"),
    ],
)
def test_what_cannot_be_planned_is_said_in_one_sentence(asked, error, sentence):
    with pytest.raises(error, match=sentence):
        plan(asked)


def test_the_largest_rate_named_in_the_refusal_can_nearly_be_carried():
    with pytest.raises(UnstableError) as refused:
        plan(inventory(LAB, Minimise(), 50))
    named_per_s = float(str(refused.value).split("less than ")[1].split("/s")[0])
    assert plan(inventory(LAB, Minimise(), 0.99 * named_per_s)).prediction.load < 1
