"""The choice of c: the least objective wins, ties go to the smallest c, and infeasible candidates are skipped."""

import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca, gca_published_code
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from algorithms.placement.random_feasible import RandomFeasible
from algorithms.proposed import Proposed
from algorithms.tuning import BestCapacity, CapacityOf, Compose, FixedCapacity, Screened, choose_capacity
from evaluators.points.simulated import SimulatedMean
from evaluators.points.theory import ExactPercentile, Surrogate, exact_mean_s, lower_bound_s, upper_bound_s
from evaluators.queueing import exact, theorem4
from system import Composition, InfeasibleError, InputError, Placement, Servers, System, UnstableError
from tests.support.oracles.instances import served_model

EPSILON_S = 0.01
WORKED_EXAMPLE = System(
    served_model(3), Servers([2.0, 3.0, 2.0, 2.0, 2.0], [1.0, 2.0, 1.0, 1.0, 1.0], EPSILON_S * np.arange(1, 6)), 0.2
)


def compose(system: System) -> Compose:
    return lambda c: gca(system, GbpCr()(system, c))


def with_rate(rate_per_s: float) -> System:
    return replace(WORKED_EXAMPLE, arrival_rate_per_s=rate_per_s)


def chosen(objectives: dict[int, float]) -> int:
    """Return the c that is chosen if each c has the given objective."""
    composition = choose_capacity(
        compose(WORKED_EXAMPLE),
        lambda candidate: objectives[candidate.placement.reserved_capacity],
        sorted(objectives),
    )
    return composition.placement.reserved_capacity


@pytest.mark.parametrize(
    ("objectives", "winner"),
    [
        ({1: 3.0, 2: 1.0, 3: 2.0}, 2),
        ({1: 1.0, 2: 1.0, 3: 1.0}, 1),
        ({1: 2.0, 2: 1.0, 3: 1.0}, 2),
        ({1: math.inf, 2: math.inf, 3: 5.0}, 3),
        ({3: 7.0}, 3),
    ],
)
def test_the_least_objective_wins_and_the_smallest_c_of_equals(objectives, winner):
    assert chosen(objectives) == winner


@pytest.mark.parametrize("error", [InfeasibleError, UnstableError])
def test_a_c_that_is_refused_is_skipped(error):
    def refusing(c: int) -> Composition:
        if c < 3:
            raise error(f"c = {c} is refused")
        return compose(WORKED_EXAMPLE)(c)

    assert choose_capacity(refusing, lambda composition: 1.0, range(1, 5)).placement.reserved_capacity == 3
    with pytest.raises(error, match="c = 1 is refused"):  # the first error
        choose_capacity(refusing, lambda composition: 1.0, [1, 2])


def test_an_unstable_c_is_skipped():
    """Check an objective that refuses compositions without a steady state.

    Only candidates with a sufficient rate are left.
    """
    rates = {c: compose(WORKED_EXAMPLE)(c).total_rate_per_s for c in range(1, 11)}
    assert len(set(rates.values())) > 1
    system = with_rate((min(rates.values()) + max(rates.values())) / 2)
    winner = BestCapacity(lower_bound_s)(system, compose(system)).placement.reserved_capacity
    assert rates[winner] > system.arrival_rate_per_s


def test_no_candidate_is_an_error():
    with pytest.raises(InfeasibleError, match="no c to choose from"):
        choose_capacity(compose(WORKED_EXAMPLE), lambda composition: 1.0, [])
    with pytest.raises(InfeasibleError, match="c = 1: has no finite objective"):
        choose_capacity(compose(WORKED_EXAMPLE), lambda composition: math.inf, [1, 2])


def test_other_errors_are_not_suppressed():
    def mistaken(composition: Composition) -> float:
        raise InputError("objective = nonsense: choose another")

    with pytest.raises(InputError, match="objective = nonsense"):
        choose_capacity(compose(WORKED_EXAMPLE), mistaken, [1, 2])


@pytest.mark.parametrize("largest", [None, 1, 4, 1000])
def test_the_candidates_are_1_to_c_max(largest):
    tried: list[int] = []

    def counted(c: int) -> Composition:
        tried.append(c)
        return compose(WORKED_EXAMPLE)(c)

    BestCapacity(lambda composition: 1.0, largest)(WORKED_EXAMPLE, counted)
    c_max = 20  # (3 GB - 1 GB) / 0.1 GB
    assert tried == list(range(1, min(largest or c_max, c_max) + 1))


PLANTED = {  # by c: screen, rival, costly objective
    1: (5.0, 9.0, 6.0),
    2: (1.0, 8.0, 4.0),
    3: (2.0, 7.0, 3.0),
    4: (3.0, 6.0, 1.0),
    5: (4.0, 5.0, 9.0),
    6: (6.0, 1.0, 2.0),
}


def planted(column: int, tried: list[int] | None = None) -> Callable[[Composition], float]:
    """Return the objective of a column, which notes its calls."""

    def objective(composition: Composition) -> float:
        c = composition.placement.reserved_capacity
        if tried is not None:
            tried.append(c)
        return PLANTED[c][column]

    return objective


@pytest.mark.parametrize(
    ("finalists", "finals", "winner"),
    [(1, [2, 6], 6), (2, [2, 3, 6], 6), (3, [2, 3, 4, 6], 4), (6, [1, 2, 3, 4, 5, 6], 4), (99, [1, 2, 3, 4, 5, 6], 4)],
)
def test_the_finalists_are_the_best_by_the_screen_and_the_best_by_the_rival(finalists, finals, winner):
    tried: list[int] = []
    tuning = Screened(
        objective=planted(2, tried), screen=planted(0), rival=planted(1), finalists=finalists, largest=len(PLANTED)
    )
    assert tuning(WORKED_EXAMPLE, compose(WORKED_EXAMPLE)).placement.reserved_capacity == winner
    assert tried == finals


def test_screening_that_leaves_all_is_the_choice_among_all():
    system = with_rate(1.0)
    tuning = Screened(objective=exact_mean_s, screen=lower_bound_s, rival=upper_bound_s, finalists=20)
    choices = [choose(system, compose(system)) for choose in (tuning, BestCapacity(exact_mean_s))]
    assert choices[0].placement.reserved_capacity == choices[1].placement.reserved_capacity


def test_a_c_that_the_screen_or_the_costly_objective_refuses_is_skipped():
    def refusing(column: int, refused: tuple[int, ...]) -> Callable[[Composition], float]:
        def objective(composition: Composition) -> float:
            if composition.placement.reserved_capacity in refused:
                raise UnstableError(f"c = {composition.placement.reserved_capacity} is refused")
            return planted(column)(composition)

        return objective

    def choice(by_screen: tuple[int, ...], by_objective: tuple[int, ...]) -> int:
        tuning = Screened(
            objective=refusing(2, by_objective), screen=refusing(0, by_screen), rival=planted(1), finalists=2, largest=6
        )
        return tuning(WORKED_EXAMPLE, compose(WORKED_EXAMPLE)).placement.reserved_capacity

    assert choice((2,), ()) == 4
    assert choice((), (6,)) == 3
    with pytest.raises(UnstableError, match="c = 1 is refused"):
        choice((1, 2, 3, 4, 5, 6), ())
    with pytest.raises(UnstableError, match="c = 2 is refused"):
        choice((), (2, 3, 6))


@pytest.mark.parametrize("c", [1, 3, 7])
def test_a_fixed_c_is_used_as_given(c):
    assert FixedCapacity(c)(WORKED_EXAMPLE, compose(WORKED_EXAMPLE)).placement.reserved_capacity == c


@pytest.mark.parametrize("c", [2, 5])
def test_the_c_of_another_scheme_is_used_for_these_chains(c):
    other = Proposed(GbpCr(last_server="truncated"), gca_published_code, FixedCapacity(c), JFFC)
    composition = CapacityOf(other)(WORKED_EXAMPLE, compose(WORKED_EXAMPLE))
    assert composition.chains == compose(WORKED_EXAMPLE)(c).chains


def test_the_other_scheme_must_not_choose_at_random():
    with pytest.raises(InputError, match="scheme = Proposed: makes random choices"):
        CapacityOf(Proposed(RandomFeasible(), gca, FixedCapacity(1), JFFC))


@pytest.mark.parametrize(
    ("tuning", "value", "message"),
    [
        (FixedCapacity, 0, "capacity = 0: must be a whole number of at least 1"),
        (FixedCapacity, 2.5, "capacity = 2.5: must be a whole number of at least 1"),
        (
            lambda finalists: Screened(
                objective=exact_mean_s, screen=exact_mean_s, rival=exact_mean_s, finalists=finalists
            ),
            0,
            "finalists = 0: must be a whole number of at least 1",
        ),
        (lambda largest: BestCapacity(lower_bound_s, largest), 0, "largest = 0: must be a whole number of at least 1"),
    ],
)
def test_c_must_be_a_whole_number_of_at_least_1(tuning, value, message):
    with pytest.raises(InputError, match=re.escape(message)):
        tuning(value)


def test_the_surrogate_counts_the_reserved_chains_that_reach_the_rate():
    """Check the worked example by hand.

    It has two reserved chains of capacity c, with T = 3 + 5 ε and 3 + 12 ε.
    """
    first, second = 1 / (3 + 5 * EPSILON_S), 1 / (3 + 12 * EPSILON_S)
    for c in range(1, 6):
        for needed, chains in [(0.5 * first, 1), (first, 1), (1.001 * first, 2), (0.999 * (first + second), 2)]:
            system = with_rate(0.7 * c * needed)  # λ / (ρ̄ c) is `needed`
            assert Surrogate()(compose(system)(c)) == c * chains
            assert Surrogate("all")(compose(system)(c)) == c * 2
        with pytest.raises(InfeasibleError, match=rf"^c = {c}: the reserved chains, 2 in all, serve"):
            Surrogate()(compose(with_rate(0.7 * c * 1.001 * (first + second)))(c))


@pytest.mark.parametrize("chains", ["needed", "all"])
def test_the_surrogate_needs_a_placement_that_reserves(chains):
    placement = Placement([0] * 5, [1, 3, 1, 1, 1])
    system = replace(WORKED_EXAMPLE, servers=replace(WORKED_EXAMPLE.servers, memory_gb=np.full(5, 4.0)))
    with pytest.raises(InputError, match="surrogate: this placement reserves no chains"):
        Surrogate(chains)(gca(system, placement))


def test_objectives_agree_with_the_formulas():
    composition = compose(WORKED_EXAMPLE)(1)
    rates = 1 / np.array([3 + 5 * EPSILON_S, 3 + 10 * EPSILON_S, 3 + 12 * EPSILON_S])
    bounds, solved = theorem4(0.2, rates, [5, 5, 5]), exact(0.2, rates, [5, 5, 5])
    assert lower_bound_s(composition) == pytest.approx(bounds.lower_s, rel=1e-12)
    assert upper_bound_s(composition) == pytest.approx(bounds.upper_s, rel=1e-12)
    assert exact_mean_s(composition) == pytest.approx(solved.mean_response_s, rel=1e-12)
    assert ExactPercentile(0.95)(composition) == pytest.approx(solved.percentile_s(0.95), rel=1e-12)


def test_the_simulated_objective_agrees_with_the_exact_mean_within_noise():
    composition = compose(replace(with_rate(2.0), mean_job=(1.0, 2000.0, 19.0)))(1)
    runs = np.array([SimulatedMean(JFFC, 20_000, seed)(composition) for seed in range(20)])
    standard_error_s = runs.std(ddof=1) / np.sqrt(runs.size)
    assert runs.mean() == pytest.approx(exact_mean_s(composition), abs=4 * standard_error_s)
    assert SimulatedMean(JFFC, 20_000, 3)(composition) == runs[3]


@pytest.mark.parametrize("objective", [lower_bound_s, upper_bound_s, exact_mean_s, ExactPercentile(0.5)])
def test_objectives_refuse_unstable_compositions(objective):
    with pytest.raises(UnstableError, match="must be below the total service rate"):
        objective(compose(with_rate(100.0))(1))


def test_the_best_c_is_the_best_of_all_candidates():
    system = with_rate(1.0)
    means_s = {c: exact_mean_s(compose(system)(c)) for c in range(1, 11)}
    best = BestCapacity(exact_mean_s, largest=10)(system, compose(system))
    assert exact_mean_s(best) == min(means_s.values())
    assert best.placement.reserved_capacity == min(
        c for c, mean_s in means_s.items() if mean_s == min(means_s.values())
    )


def test_every_c_of_a_random_placement_gets_the_same_random_numbers():
    numbers = []

    def random_placement(system: System, c: int, rng: np.random.Generator) -> Placement:
        numbers.append(rng.random())
        return GbpCr()(system, c)

    scheme = Proposed(random_placement, gca, BestCapacity(lower_bound_s, 4), JFFC)
    scheme.compose(WORKED_EXAMPLE, np.random.default_rng(91))
    assert len(numbers) == 4
    assert len(set(numbers)) == 1
    scheme.compose(WORKED_EXAMPLE, np.random.default_rng(92))
    assert len(set(numbers)) == 2
