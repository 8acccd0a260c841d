"""Layouts, both chains and routes: their common interface agrees with plain counts."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from algorithms.allocation.gca import gca
from algorithms.dispatch.jffc import JFFC
from algorithms.dispatch.sed import SED
from algorithms.placement.gbp_cr import GbpCr
from algorithms.routing.links import RoutedComposition
from evaluators.simulation import simulate_layout
from system import Composition, InfeasibleError, InputError, NotApplicableError, UnstableError
from system.layout import Layout
from tests.evaluators.test_routed_simulation import SCHEMES, random_routed
from tests.support.oracles.fixed_paths import fixed_paths
from tests.support.oracles.instances import poisson_jobs, random_system
from tests.support.oracles.routed_simulation import paths

SEEDS = range(12)


def chains(seed: int) -> Composition:
    """Return random chains by GBP-CR and GCA, under JFFC."""
    rng = np.random.default_rng([701, seed])
    while True:
        system = random_system(rng)
        try:
            return gca(system, GbpCr()(system, 2)).under(JFFC)
        except InfeasibleError:
            continue


def routes(seed: int) -> RoutedComposition:
    return random_routed(np.random.default_rng([702, seed]), SCHEMES["ws_rr"], "fcfs")


def chains_as_routes(seed: int) -> RoutedComposition:
    return fixed_paths(chains(seed))


LAYOUTS: dict[str, Callable[[int], Layout]] = {
    "chains": chains,
    "routes": routes,
    "chains as routes": chains_as_routes,
}
every_layout = pytest.mark.parametrize("name", LAYOUTS)
every_seed = pytest.mark.parametrize("seed", SEEDS)


@every_layout
def test_every_layout_has_the_interface_of_layouts(name):
    layout = LAYOUTS[name](0)
    members = [member for member in vars(Layout) if not member.startswith("_")]
    assert {"system", "placement", "rule", "load", "at_rate", "check_stable", "composition"} <= set(members)
    assert all(hasattr(layout, member) for member in members)


@every_layout
@every_seed
def test_another_rate_changes_nothing_else(name, seed):
    layout = LAYOUTS[name](seed)
    before = layout.system.arrival_rate_per_s
    other = layout.at_rate(3 * before)
    assert type(other) is type(layout)
    assert other.system == replace(layout.system, arrival_rate_per_s=3 * before)
    assert layout.system.arrival_rate_per_s == before
    assert other.placement is layout.placement
    assert other.rule is layout.rule
    assert other.sizes == layout.sizes
    assert other.most_hops == layout.most_hops
    assert (other.slots_used() == layout.slots_used()).all()


@every_layout
@every_seed
def test_jobs_take_no_more_slots_than_every_server_has(name, seed):
    layout = LAYOUTS[name](seed)
    assert layout.slots_used().shape == (len(layout.system.servers),)
    assert (layout.slots_used() <= layout.placement.cache_slots(layout.system)).all()
    assert layout.slots_used().max() > 0


@every_seed
def test_the_load_of_chains_is_the_arrival_rate_over_the_total_service_rate(seed):
    layout = chains(seed)
    total_per_s = sum(chain.capacity / chain.mean_service_s for chain in layout.chains)
    assert layout.load == pytest.approx(layout.system.arrival_rate_per_s / total_per_s, rel=1e-12)
    assert layout.at_rate(0.3 * total_per_s).load == pytest.approx(0.3, rel=1e-12)


@pytest.mark.parametrize("name", ["routes", "chains as routes"])
def test_the_load_of_routes_is_unknown_and_no_rate_is_refused_in_advance(name):
    layout = LAYOUTS[name](0)
    assert np.isnan(layout.load)
    layout.at_rate(1e9).check_stable()


@every_seed
def test_chains_are_stable_below_a_load_of_1(seed):
    layout = chains(seed)
    total_per_s = layout.total_rate_per_s
    layout.at_rate(total_per_s * (1 - 1e-12)).check_stable()
    with pytest.raises(UnstableError, match=r"must be below the total service rate"):
        layout.at_rate(total_per_s).check_stable()
    jobs = poisson_jobs(np.random.default_rng(703), 10, total_per_s)
    with pytest.raises(UnstableError, match=r"must be below the total service rate"):
        simulate_layout(layout.at_rate(total_per_s), jobs, stop_unstable=True)


def test_chains_are_their_own_composition_and_routes_have_none():
    layout = chains(0)
    assert layout.composition() is layout
    for name in ("routes", "chains as routes"):
        with pytest.raises(NotApplicableError, match=r"has no chains with capacities; use evaluator=simulation$"):
            LAYOUTS[name](0).composition()


@every_seed
def test_the_longest_path_and_the_sizes_agree_with_plain_counts(seed):
    layout = chains(seed)
    assert layout.most_hops == max(len(chain.servers) for chain in layout.chains)
    capacity, mean_s = zip(*[(chain.capacity, chain.mean_service_s) for chain in layout.chains], strict=True)
    assert layout.sizes == {
        "chain_count": len(layout.chains),
        "slot_count": sum(capacity),
        "rate_count": len({1 / time_s for time_s in mean_s}),
    }
    routed = routes(seed)
    all_paths = paths(routed.placement, routed.slots.tolist(), routed.system.model.block_count)
    assert routed.most_hops == max(map(len, all_paths))
    assert routed.sizes == {
        "link_count": len({hop for path in all_paths for hop in path}),
        "slot_count": sum(routed.slots.tolist()),
    }
    assert fixed_paths(layout).most_hops == layout.most_hops


def test_chains_need_a_policy_before_jobs_arrive():
    layout = chains(0)
    allocated = gca(layout.system, layout.placement)
    assert allocated.rule is None
    with pytest.raises(InputError, match=r"^rule = None: chains need a policy"):
        simulate_layout(allocated, poisson_jobs(np.random.default_rng(704), 3, 0.1))


def test_the_policy_of_chains_can_be_replaced():
    layout = chains(0)
    other = layout.under(SED)
    assert (layout.rule, other.rule) == (JFFC, SED)
    assert other.chains == layout.chains
    assert other.at_rate(0.1).rule is SED
