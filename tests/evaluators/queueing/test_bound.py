"""The certificate: no placement, allocation or policy beats it, and it is as tight as its linear programme."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from algorithms.allocation.gca import gca
from algorithms.placement.gbp_cr import GbpCr
from evaluators.queueing import exact
from evaluators.queueing.bound import rate_bound_per_s, response_bound_s
from evaluators.queueing.certificate.certificate import LOOSENESS, Certificate
from evaluators.queueing.certificate.completion import CONVERGED, Completion
from evaluators.queueing.certificate.hosts import Hosts, hosts_of
from evaluators.queueing.certificate.simplex import Simplex
from evaluators.queueing.certificate.ways import Pricing, cheapest_way
from evaluators.queueing.floor import response_floor_s
from sweep.instantiate import evaluate
from system import InfeasibleError, InputError, NotApplicableError, Servers, System, UnstableError
from tests.support.oracles.certificate.placements import largest_rate_per_s, least_response_s, placements
from tests.support.oracles.instances import random_system, served_model
from tests.support.oracles.queueing import multi_server_response_s
from tests.support.project import SMALL, case_of

ROUNDING = 1 + 1e-9


def tiny_system(rng: np.random.Generator) -> System:
    """Return a few servers with few cache slots."""
    model = served_model(int(rng.integers(2, 5)), 1.0, float(rng.uniform(0.25, 0.6)))
    count = int(rng.integers(2, 4))
    memory_gb = rng.uniform(1.0, 5.5, count)
    servers = Servers(memory_gb, rng.uniform(0.05, 1.0, count), rng.uniform(0.05, 0.6, count))
    system = System(model, servers, 1.0)
    try:
        return replace(system, arrival_rate_per_s=float(rng.uniform(0.05, 0.9)) * rate_bound_per_s(system))
    except InfeasibleError:
        return tiny_system(rng)


def gaps(count: int, seed: int, branches: int = 0) -> list[float]:
    """Return by which shares the optima of tiny systems are higher."""
    rng, shares = np.random.default_rng(seed), []
    while len(shares) < count:
        system = tiny_system(rng)
        optimum_s = least_response_s(system)
        if np.isfinite(optimum_s):
            shares.append(optimum_s / response_bound_s(system, branches) - 1)
            assert largest_rate_per_s(system) <= rate_bound_per_s(system) * ROUNDING
    return shares


def test_no_placement_and_no_policy_beats_the_certificate():
    shares = gaps(20, 800)
    assert min(shares) >= -1e-9
    assert np.median(shares) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("branches", [0, 6])
def test_no_placement_and_no_policy_beats_the_certificate_of_many_systems(branches):
    assert min(gaps(200, 801, branches)) >= -1e-9


def test_branches_raise_the_certificate_up_to_the_optimum_at_most():
    plain, branched = np.array(gaps(12, 802)), np.array(gaps(12, 802, branches=8))
    assert (branched >= -1e-9).all()
    assert (branched <= plain + 1e-9).all()
    assert branched.sum() < 0.9 * plain.sum()


def test_the_oracle_reaches_below_the_exact_mean_of_chains():
    """Compare the optimum with JFFC on the chains of GCA."""
    rng, compared, better = np.random.default_rng(803), 0, 0
    while compared < 40:
        system = tiny_system(rng)
        fitting = list(placements(system))
        try:
            chains = gca(system, fitting[int(rng.integers(len(fitting)))] if fitting else GbpCr()(system, 1))
        except InfeasibleError:
            continue
        if chains.load < 0.99:
            mean_s = exact(system.arrival_rate_per_s, chains.service_rate_per_s, chains.capacity).mean_response_s
            assert least_response_s(system) <= mean_s * ROUNDING
            compared += 1
            better += least_response_s(system) < 0.99 * mean_s
    assert better > 5


def all_ways(hosts: Hosts) -> tuple[np.ndarray, np.ndarray]:
    """Return the times (n,) and shares (n, T) of all ways."""
    splits = product(*(range(most + 1) for most in hosts.most))
    blocks = np.array([split for split in splits if sum(split) == hosts.block_count])
    servers = np.arange(hosts.most.size)
    return hosts.time_s[servers, blocks].sum(axis=1), hosts.share[servers, blocks]


def small_hosts(rng: np.random.Generator, servers: int = 4) -> Hosts:
    """Return servers that can host their model."""
    while True:
        hosts = hosts_of(random_system(rng, servers, 6), grouped=False)
        if cheapest_way(hosts, hosts.time_s):
            return hosts


def test_pricing_finds_the_least_of_all_ways():
    rng = np.random.default_rng(804)
    for _ in range(150):
        hosts = small_hosts(rng)
        times_s, shares = all_ways(hosts)
        alpha, prices = float(rng.choice([0.0, 0.3]) * rng.random()), rng.random(hosts.count.size) ** 4
        fastest = cheapest_way(hosts, hosts.time_s)
        assert fastest is not None
        assert fastest.time_s == pytest.approx(times_s.min(), rel=1e-12)
        least = float((times_s * (alpha + shares @ prices)).min())
        pricing = Pricing(hosts, fastest, alpha, prices)
        assert least * (1 - 1e-7) <= pricing.least <= least * ROUNDING
        values = [way.time_s * (alpha + way.shares @ prices) for way in pricing.ways]
        assert min(values) == pytest.approx(least, rel=1e-7)


def optimum_per_s(hosts: Hosts, jobs: float) -> float:
    """Return D_n from all ways by a general solver."""
    times_s, shares = all_ways(hosts)
    rows, limits = np.vstack([np.ones(times_s.size), shares.T]), np.append(jobs, hosts.count)
    return -float(linprog(-1 / times_s, A_ub=rows, b_ub=limits, method="highs").fun)


def test_tangents_bound_all_completion_rates_and_touch_those_solved_for():
    rng = np.random.default_rng(805)
    for _ in range(15):
        hosts = small_hosts(rng)
        completion = Completion(hosts)
        for jobs in (2.0, float(hosts.most_jobs)):
            completion.solve(jobs)
        for jobs in range(1, 15):
            optimum = optimum_per_s(hosts, min(jobs, hosts.most_jobs))
            bound = min(tangent.rate_per_s(jobs) for tangent in completion.tangents)
            assert bound >= optimum / ROUNDING
            if jobs in (2, hosts.most_jobs):
                assert bound <= optimum * (1 + CONVERGED) * ROUNDING


def test_simplex_equals_a_general_solver():
    rng = np.random.default_rng(806)
    for _ in range(60):
        rows, count = int(rng.integers(1, 12)), int(rng.integers(1, 60))
        columns = rng.random((count, rows)) * (rng.random((count, rows)) < 0.6) + 1e-3
        gains, limits = rng.random(count), rng.integers(1, 4, rows).astype(float)
        simplex = Simplex(limits)
        simplex.solve(columns[: count // 2 + 1], gains[: count // 2 + 1])
        value, prices = simplex.solve(columns, gains)
        solved = linprog(-gains, A_ub=columns.T, b_ub=limits, method="highs")
        assert value == pytest.approx(-solved.fun, rel=1e-8)
        assert prices @ limits == pytest.approx(value, rel=1e-7)
        amounts = simplex.amounts(count)
        assert (amounts @ columns <= limits * ROUNDING).all()
        assert gains @ amounts == pytest.approx(value, rel=1e-9)


def test_equal_servers_are_grouped_without_another_result():
    rng = np.random.default_rng(807)
    for _ in range(6):
        system = random_system(rng, 5, 6)
        number = np.repeat(np.arange(5), rng.integers(1, 4, 5))
        of_servers = (system.servers.memory_gb, system.servers.communication_s, system.servers.block_s)
        system = replace(system, servers=Servers(*(values[number] for values in of_servers)))
        grouped, single = (Certificate(hosts_of(system, grouped=chosen)) for chosen in (True, False))
        assert hosts_of(system).count.tolist() != hosts_of(system, grouped=False).count.tolist()
        assert grouped.largest_rate_per_s == pytest.approx(single.largest_rate_per_s, rel=2 * CONVERGED)
        rate = 0.6 * grouped.largest_rate_per_s
        assert grouped.response(rate).bound_s == pytest.approx(single.response(rate).bound_s, rel=5e-3)


def test_servers_that_hardly_differ_are_taken_for_the_best_of_them():
    """Compare 40 servers as they are with fewer types, which may only be better."""
    system = random_system(np.random.default_rng(811), 40)
    exactly = Certificate(hosts_of(system))
    rate_per_s = 0.6 * exactly.largest_rate_per_s
    bounds_s = [exactly.response(rate_per_s).bound_s]
    for types in (30, 15):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("evaluators.queueing.certificate.hosts.TYPES", types)
            hosts = hosts_of(system)
        assert (hosts.count.size, hosts.count.sum()) == (types, 40)
        fewer = Certificate(hosts)
        assert fewer.largest_rate_per_s >= exactly.largest_rate_per_s * (1 - CONVERGED)
        bounds_s.append(fewer.response(rate_per_s).bound_s)
    assert bounds_s == sorted(bounds_s, reverse=True)
    assert bounds_s[1] > 0.95 * bounds_s[0]


@pytest.mark.parametrize("load", [0.3, 0.9])
def test_the_certificate_is_between_the_floor_and_the_schemes(load):
    rng, compared, higher = np.random.default_rng(808), 0, 0
    while compared < 25:
        try:
            chains = gca(system := random_system(rng), GbpCr()(system, 2))
        except InfeasibleError:
            continue
        compared += 1
        system = replace(system, arrival_rate_per_s=load * chains.total_rate_per_s)
        bound_s, floor_s = response_bound_s(system), response_floor_s(system)
        mean_s = exact(system.arrival_rate_per_s, chains.service_rate_per_s, chains.capacity).mean_response_s
        assert floor_s <= bound_s * ROUNDING
        assert bound_s <= mean_s * ROUNDING
        higher += bound_s > 1.05 * floor_s
    assert higher >= 5


def wide_system(rng: np.random.Generator) -> System:
    """Return servers whose times, memories and numbers of slots differ by decades."""
    count = int(rng.integers(1, 12))
    model = served_model(int(rng.integers(1, 30)), 1.0, float(10 ** rng.uniform(-4, 0.3)))
    times_s = 10 ** rng.uniform(-6, 3, (2, count))
    return System(model, Servers(10 ** rng.uniform(-0.3, 2, count), *times_s), 1.0)


@pytest.mark.filterwarnings("error")
def test_the_certificate_of_times_over_decades_is_above_the_floor():
    rng, compared = np.random.default_rng(810), 0
    for _ in range(15):
        system = wide_system(rng)
        try:
            certificate = Certificate(hosts_of(system))
        except InfeasibleError:
            continue
        for load in (1e-6, 0.3, 0.9, 0.99):
            system = replace(system, arrival_rate_per_s=load * certificate.largest_rate_per_s)
            response = certificate.response(system.arrival_rate_per_s)
            assert response_floor_s(system) <= response.bound_s * ROUNDING
            assert response.looseness < LOOSENESS or load == 0.99
            compared += 1
    assert compared > 40


@pytest.mark.parametrize("load", [0.3, 0.9, 0.999])
def test_one_server_reaches_the_certificate(load):
    """Host 4 jobs of 1.25 s each: an M/M/4 queue."""
    system = System(served_model(5), Servers([7.3], [0.7], [0.11]), load * 3.2)
    assert rate_bound_per_s(system) == pytest.approx(3.2, rel=1e-6)
    assert response_bound_s(system) == pytest.approx(multi_server_response_s(load * 3.2, 0.8, 4), rel=1e-3)
    assert response_bound_s(system) <= multi_server_response_s(load * 3.2, 0.8, 4) * ROUNDING


def test_fewer_slots_than_a_server_has_break_the_certificate(monkeypatch):
    """Show that shares which are too large would be noticed."""
    honest = hosts_of
    monkeypatch.setattr(
        "evaluators.queueing.bound.hosts_of",
        lambda system: replace(honest(system), share=honest(system).share * 1.6),
    )
    assert min(gaps_without_rates(20, 800)) < -1e-3


def gaps_without_rates(count: int, seed: int) -> list[float]:
    """Return by which shares optima are higher, perhaps infinite."""
    rng, shares = np.random.default_rng(seed), []
    for _ in range(count):
        system = tiny_system(rng)
        shares.append(least_response_s(system) / response_bound_s(system) - 1)
    return shares


def test_servers_that_no_composition_suits_are_refused():
    few = System(served_model(5), Servers([2.0, 2.0], [0.7] * 2, [0.11] * 2), 0.01)
    message = "the servers together cannot host the model and one job's cache; add servers"
    with pytest.raises(InfeasibleError, match=f"^{re.escape(message)}$"):
        response_bound_s(few)
    with pytest.raises(InfeasibleError, match=f"^{re.escape(message)}$"):
        rate_bound_per_s(few)
    message = "arrival_rate_per_s = 3.3: no composition serves more than 3.2/s on these servers; lower the rate or add"
    with pytest.raises(UnstableError, match=re.escape(message)):
        response_bound_s(System(served_model(5), Servers([7.3], [0.7], [0.11]), 3.3))


def test_branches_refuse_a_rate_that_no_placement_serves():
    """Find rates below the plain bound that no placement serves."""
    rng, refused = np.random.default_rng(809), 0
    for _ in range(30):
        system = tiny_system(rng)
        system = replace(system, arrival_rate_per_s=0.999 * rate_bound_per_s(system))
        try:
            response_bound_s(system, branches=20)
        except UnstableError:
            assert largest_rate_per_s(system) <= system.arrival_rate_per_s
            refused += 1
    assert refused >= 3


@pytest.mark.parametrize("overrides", [("workload=gamma",), ("workload=poisson_exponential", "workload.size_cv=0")])
def test_certificate_is_for_poisson_arrivals_and_exponential_sizes_only(overrides):
    case = case_of(*SMALL, *overrides, "evaluator=bound")
    message = "evaluator = bound: holds for Poisson arrivals and exponential sizes only; use evaluator=simulation"
    with pytest.raises(NotApplicableError, match=f"^{re.escape(message)}$"):
        evaluate(case, range(1), range(1))


def test_certificate_is_the_same_for_all_schemes_and_evaluated_once_a_draw():
    schemes = ("algorithm=proposed", "algorithm=petals")
    outcomes = [evaluate(case_of(*SMALL, scheme, "evaluator=bound"), range(2), range(3)) for scheme in schemes]
    proposed, petals = ([(*row[:3], row.value) for row in outcome.rows] for outcome in outcomes)
    assert proposed == petals
    names = ("response_bound_s", "rate_bound_per_s", "bound_looseness")
    assert [row[:3] for row in proposed] == [(draw, 0, name) for draw in range(2) for name in names]


def test_a_number_of_branches_below_zero_is_refused():
    with pytest.raises(InputError, match="branches = -1"):
        evaluate(case_of(*SMALL, "evaluator=bound", "evaluator.branches=-1"), range(1), range(1))
