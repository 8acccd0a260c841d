"""Theory of requests that slow each other: its limits, a plain second way, simulations, scales and refusals."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.jsq import JSQ
from evaluators.queueing import exact
from evaluators.queueing.interference import interference, largest_rate_per_s
from evaluators.simulation.layout import simulate_layout
from system import Composition, NotApplicableError, Placement, RandomStreams, Servers, System, UnstableError
from system.service.independent import INDEPENDENT
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.support.oracles.instances import chains_of, served_model
from tests.support.oracles.shared_chains import PlainChains
from tests.support.oracles.steps.runs import with_direct_hops
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths
from workloads.synthetic import SyntheticWorkload

LENGTHS = DrawnLengths(Poisson(), 4000, 200.0, 20.0)
SEEDS = range(12)


def one_chain(capacity, block_s, communication_s):
    """Return a server of one block, with room for `capacity` jobs."""
    servers = Servers(np.array([1.0 + 0.1 * capacity]), np.array([communication_s]), np.array([block_s]))
    system = System(served_model(1), servers, 1.0, LENGTHS.mean_job)
    hops = np.array([0]), np.array([1]), np.array([0, 1])
    return Composition.of_hops(system, Placement(np.zeros(1, int), np.ones(1, int)), *hops, np.array([capacity]))


def at_share(chains, share, workload=LENGTHS):
    """Return chains at a share of their largest rate."""
    return chains.at_rate(share * largest_rate_per_s(chains, workload, Steps()))


def chains_for(seed):
    """Return random chains with the mean lengths of the workload."""
    chains = chains_of(np.random.default_rng(seed))
    return composed_anew(chains, replace(chains.system, mean_job=LENGTHS.mean_job))


def with_direct_chains(seed):
    """Return random chains whose steps go straight from server to server."""
    chains = chains_for(seed)
    return composed_anew(chains, with_direct_hops(chains.system, np.random.default_rng(seed)))


def composed_anew(chains, system):
    """Return the same chains in another system."""
    hops = chains.hop_server, chains.hop_blocks, chains.hop_start
    return Composition.of_hops(system, chains.placement, *hops, chains.capacity)


@pytest.mark.parametrize("capacity", [1, 4, 30])
@pytest.mark.parametrize("load", [0.3, 0.8, 0.97])
def test_it_is_exact_as_computation_vanishes(capacity, load):
    chains = one_chain(capacity, (0, 0, 0), (1.0, 0.002, 0.03))
    chains = at_share(chains, load)
    theory = interference(chains, LENGTHS, Steps())
    solved = exact(chains.system.arrival_rate_per_s, chains.service_rate_per_s, chains.capacity)
    assert theory.largest_rate_per_s == pytest.approx(chains.total_rate_per_s)
    assert theory.mean_response_s == pytest.approx(solved.mean_response_s)
    assert theory.waiting_probability == pytest.approx(solved.waiting_probability)
    assert theory.mean_first_token_s - theory.mean_waiting_s == pytest.approx(chains.mean_first_token_s[0])


@pytest.mark.parametrize("load", [0.2, 0.9])
def test_it_is_exact_for_one_chain_of_capacity_one(load):
    chains = at_share(one_chain(1, (0.2, 0.001, 0.01), (0.1, 0, 0.02)), load)
    theory, service_s = interference(chains, LENGTHS, Steps()), chains.mean_service_s[0]
    assert theory.mean_service_s == pytest.approx(service_s)
    assert theory.mean_response_s == pytest.approx(service_s / (1 - load))


@pytest.mark.parametrize("seed", SEEDS)
def test_it_equals_the_same_formulas_written_plainly(seed):
    chains = at_share(chains_for(seed), 0.6)
    plain = PlainChains.of(chains, LENGTHS.prompt_cv)
    theory, rate_per_s = interference(chains, LENGTHS, Steps()), chains.system.arrival_rate_per_s
    assert theory.largest_rate_per_s == pytest.approx(plain.full_per_s(), rel=5e-3)
    lost, jobs = plain.without_queue(rate_per_s)
    load = rate_per_s / theory.largest_rate_per_s
    slots = chains.total_capacity
    normaliser = 1 + lost * load / (1 - load)
    all_jobs = (jobs + lost * (slots * load / (1 - load) + load / (1 - load) ** 2)) / normaliser
    assert theory.mean_response_s == pytest.approx(all_jobs / rate_per_s, rel=5e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_direct_hops_count_as_in_the_same_formulas_written_plainly(seed):
    chains = with_direct_chains(seed)
    plain = PlainChains.of(chains, LENGTHS.prompt_cv)
    assert largest_rate_per_s(chains, LENGTHS, Steps()) == pytest.approx(plain.full_per_s(), rel=5e-3)
    over_hub = composed_anew(chains, replace(chains.system, forwarding="hub"))
    assert largest_rate_per_s(over_hub, LENGTHS, Steps()) != pytest.approx(plain.full_per_s(), rel=5e-3)


def test_it_is_close_to_simulations_of_direct_hops_with_a_bandwidth():
    errors = []
    for seed in SEEDS[:6]:
        chains = at_share(with_direct_chains(seed), 0.5).under(JFFC)
        assert chains.system.servers.communication_s[:, 1].min() > 0
        jobs = LENGTHS.jobs(chains.system.arrival_rate_per_s, RandomStreams(seed))
        simulated_s = simulate_layout(chains, jobs, Steps()).times.after_warm_up().mean_s("response")
        errors.append(abs(interference(chains, LENGTHS, Steps()).mean_response_s / simulated_s - 1))
    assert np.median(errors) <= 0.08
    assert max(errors) <= 0.25


def test_it_is_close_to_simulations_below_nine_tenths_of_the_largest_rate():
    errors = []
    for seed in SEEDS:
        for share in (0.3, 0.6):
            chains = at_share(chains_for(seed), share).under(JFFC)
            jobs = LENGTHS.jobs(chains.system.arrival_rate_per_s, RandomStreams(seed))
            simulated_s = simulate_layout(chains, jobs, Steps()).times.after_warm_up().mean_s("response")
            errors.append(abs(interference(chains, LENGTHS, Steps()).mean_response_s / simulated_s - 1))
    assert np.median(errors) <= 0.08
    assert np.mean(np.array(errors) <= 0.2) >= 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_means_grow_with_the_rate_and_shares_sum_to_one(seed):
    chains = chains_for(seed)
    means = [interference(at_share(chains, share), LENGTHS, Steps()) for share in (0.05, 0.3, 0.6, 0.9)]
    assert all(theory.chain_shares.sum() == pytest.approx(1) for theory in means)
    response_s = [theory.mean_response_s for theory in means]
    assert response_s == sorted(response_s)
    assert response_s[0] >= 0.999 * chains.mean_service_s[0]
    assert means[0].largest_rate_per_s <= chains.total_rate_per_s * (1 + 1e-9)


@pytest.mark.parametrize("factor", [1e-3, 50.0])
def test_times_scale_with_the_unit_of_time(factor):
    chains = chains_for(3)
    servers = chains.system.servers
    scaled = {name: factor * getattr(servers, name) for name in ("communication_s", "block_s")}
    slower = composed_anew(chains, replace(chains.system, servers=replace(servers, **scaled)))
    before, after = (interference(at_share(layout, 0.5), LENGTHS, Steps()) for layout in (chains, slower))
    assert after.mean_response_s == pytest.approx(factor * before.mean_response_s, rel=1e-6)
    assert after.largest_rate_per_s == pytest.approx(before.largest_rate_per_s / factor, rel=1e-6)


def test_a_slowdown_is_computation_that_takes_longer():
    chains = chains_for(5)
    servers = replace(chains.system.servers, block_s=2 * chains.system.servers.block_s)
    slower = composed_anew(chains, replace(chains.system, servers=servers))
    # The chains may have another order, and with it other shares, so only what does not depend on it is compared.
    assert largest_rate_per_s(chains, LENGTHS, Steps(slowdown=2.0)) == pytest.approx(
        largest_rate_per_s(slower, LENGTHS, Steps()), rel=2e-3
    )


def test_rates_from_the_largest_on_are_unstable():
    chains = at_share(chains_for(1), 1.0)
    with pytest.raises(UnstableError, match=r"^arrival_rate_per_s = .*: must be below .* add servers$"):
        interference(chains, LENGTHS, Steps())


@pytest.mark.parametrize(
    "service",
    [
        INDEPENDENT,
        TokenBudget(),
        Steps(batching="decode"),
        Steps(prefill_chunk_tokens=64),
        Steps(handling_s=0.001),
        Steps(head_s=0.001),
        Steps(slowdown_cv=0.5),
    ],
    ids=str,
)
def test_other_service_models_are_refused(service):
    with pytest.raises(NotApplicableError, match="is for service=lockstep, and for service=steps with serial"):
        interference(chains_for(1), LENGTHS, service)


def test_other_policies_are_refused():
    with pytest.raises(NotApplicableError, match="is known for dispatch=jffc only"):
        interference(chains_for(1).under(JSQ), LENGTHS, Steps())


def test_exponential_sizes_have_prompts_of_variation_one():
    theory = interference(at_share(chains_for(2), 0.5), SyntheticWorkload(Poisson(), 10, 200.0, 20.0), Steps())
    constant = SyntheticWorkload(Poisson(), 10, 200.0, 20.0, size_cv=0.0)
    assert theory.mean_response_s > interference(at_share(chains_for(2), 0.5), constant, Steps()).mean_response_s
