"""The search is never worse than its starts, repeats itself, and comes close to the optimum."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.composition_search import Searched, search
from algorithms.composition_search.starts import placed_starts, reserved_capacities
from algorithms.dispatch.jffc import JFFC
from algorithms.placement.gbp_cr import GbpCr
from evaluators.points.objectives.composition import ExactMean
from evaluators.points.theory import exact_mean_s
from system import InfeasibleError, InputError, Placement, System, UnstableError
from tests.support.oracles.instances import random_system, served_model

EXACT = ExactMean()


def stable_systems(seed: int, count: int, servers: int, load: float = 0.7) -> list[System]:
    """Return systems at a share of the largest ν of GBP-CR over c."""
    rng, made = np.random.default_rng(seed), []
    while len(made) < count:
        system = random_system(rng, servers)
        rates = [chains.total_rate_per_s for chains in gbp_cr_chains(system)]
        if rates:
            made.append(replace(system, arrival_rate_per_s=load * max(rates)))
    return made


def gbp_cr_chains(system):
    chains = []
    for c in range(1, system.largest_reservation + 1):
        try:
            chains.append(gca(system, GbpCr()(system, c)))
        except InfeasibleError:
            continue
    return chains


def value_or_inf(composition):
    try:
        return exact_mean_s(composition)
    except UnstableError:
        return np.inf


def test_the_result_is_never_worse_than_any_start():
    for system in stable_systems(1, 12, 10):
        best = search(system, EXACT, evaluations=400)
        starts = [value_or_inf(composition) for composition in gbp_cr_chains(system)]
        for placement in placed_starts(system, np.random.default_rng([0, 0])):
            try:
                starts.append(value_or_inf(gca(system, placement)))
            except InfeasibleError:
                continue
        assert best.value <= min(starts)
        assert best.value == exact_mean_s(best.composition)


def test_a_longer_search_finds_better_compositions():
    gains = []
    for system in stable_systems(2, 8, 12, load=0.8):
        best = min(map(value_or_inf, gbp_cr_chains(system)))
        gains.append(1 - search(system, EXACT, evaluations=4000).value / best)
    assert np.median(gains) > 0.02


def test_the_same_budget_and_seed_give_the_same_composition():
    (system,) = stable_systems(3, 1, 12)
    scheme = Searched(EXACT, evaluations=1000)
    first, again = (scheme.compose(system, np.random.default_rng(seed)) for seed in (1, 2))
    assert first.chains == again.chains
    assert first.rule is JFFC
    other = replace(scheme, seed=1).compose(system, np.random.default_rng(1))
    assert exact_mean_s(other) == pytest.approx(exact_mean_s(first), rel=0.1)


def test_progress_adds_up_to_the_budget():
    (system,) = stable_systems(4, 1, 8)
    done = []
    search(system, EXACT, evaluations=3000, restarts=2, progress=done.append)
    assert sum(done) == pytest.approx(3000, abs=2)


def test_a_further_start_is_never_beaten_by_less():
    """Check a start that the search alone would hardly find with so few evaluations."""
    (system,) = stable_systems(5, 1, 12, load=0.9)
    best = search(system, EXACT, evaluations=20_000)
    again = search(system, EXACT, [best.composition.placement], evaluations=1)
    assert again.value <= best.value


def test_reserved_states_leave_out_reservations_without_a_difference():
    (system,) = stable_systems(6, 1, 10)
    counts = [tuple(GbpCr()(system, c).block_count) for c in range(1, system.largest_reservation + 1)]
    enough = {count for count in counts if sum(count) >= system.model.block_count}
    assert len(list(reserved_capacities(system))) == len(enough)


def test_servers_that_are_too_small_are_refused_with_the_reason():
    system = random_system(np.random.default_rng(7), 3, 3)
    small = replace(system, model=served_model(900))
    with pytest.raises(InfeasibleError, match=r"^no chain: "):
        search(small, EXACT, evaluations=10)


def test_a_rate_that_nothing_serves_is_refused_as_unstable():
    (system,) = stable_systems(8, 1, 6)
    with pytest.raises(UnstableError, match=r"must be below the total service rate"):
        search(replace(system, arrival_rate_per_s=1e6), EXACT, evaluations=10)


@pytest.mark.parametrize(("field", "value"), [("evaluations", 0), ("restarts", 0), ("restarts", 200_001), ("seed", -1)])
def test_budgets_out_of_range_are_refused(field, value):
    with pytest.raises(InputError, match=f"^{field} = "):
        Searched(EXACT, **{field: value})


def enumerated_optimum(system: System) -> float:
    """Return the least exact mean over all placements and all prefixes of GCA's chains."""
    blocks, memory_gb = system.model.block_count, system.servers.memory_gb
    ranges = [
        [
            (a, m)
            for m in range(int(gb // system.model.block_memory_gb) + 1)
            for a in range(blocks - m + 1)
            if a == 0 or m
        ]
        for gb in np.minimum(memory_gb, blocks * system.model.block_memory_gb)
    ]
    best = np.inf
    for choice in np.ndindex(*map(len, ranges)):
        first, count = np.array([ranges[j][n] for j, n in enumerate(choice)]).T
        try:
            chains = gca(system, Placement(first, count))
        except InfeasibleError:
            continue
        best = min([best, *(value_or_inf(chains.only(range(k))) for k in range(1, len(chains) + 1))])
    return best


def shares_above_optimum(seed: int, count: int) -> np.ndarray:
    """Return the shares by which the search is above the optimum.

    The systems have 4 servers and 3 blocks.
    """
    rng, above = np.random.default_rng(seed), []
    while len(above) < count:
        system = replace(random_system(rng, 4), model=served_model(3, 1.0, float(rng.uniform(0.1, 0.4))))
        servers = replace(system.servers, memory_gb=rng.uniform(1.2, 3.5, 4))
        system = replace(system, servers=servers)
        rates = [chains.total_rate_per_s for chains in gbp_cr_chains(system)]
        if rates:
            system = replace(system, arrival_rate_per_s=float(rng.uniform(0.2, 0.9)) * max(rates))
            above.append(search(system, EXACT, evaluations=40_000, restarts=16).value / enumerated_optimum(system) - 1)
    return np.array(above)


def test_the_optimum_of_small_systems_is_found():
    above = shares_above_optimum(9, 10)
    assert (above < 1e-9).mean() >= 0.9
    assert above.max() < 0.1


@pytest.mark.slow
def test_the_optimum_of_a_hundred_small_systems_is_found():
    above = shares_above_optimum(10, 100)
    assert (above < 1e-9).mean() >= 0.9
    assert above.max() < 0.1
