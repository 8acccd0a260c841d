"""Schemes with direct hops: paths take the time of their messages, and what holds over the hub only refuses."""

from dataclasses import replace

import numpy as np
import pytest
from hydra.utils import instantiate

from algorithms.allocation.gca import gca
from algorithms.bprr import Bprr
from algorithms.composition_search.annealing import evaluate
from algorithms.composition_search.state import part_of, placed_state, problem_of, work_for
from algorithms.equal_split import EqualSplit
from algorithms.petals import Petals
from algorithms.placement.exhaustive import exhaustive
from algorithms.placement.gbp_cr import GbpCr
from algorithms.placement.petals import PetalsPlacement
from algorithms.placement.set_packing import set_packing
from algorithms.routing.links import RoutedComposition
from evaluators.points.objectives.composition import ExactMean
from evaluators.queueing import exact
from evaluators.queueing.bound import rate_bound_per_s, response_bound_s
from evaluators.queueing.floor import response_floor_s
from evaluators.queueing.prefixes.means import prefix_means
from evaluators.simulation import simulate_layout
from system import Composition, InfeasibleError, NotApplicableError, Placement, Servers, System
from tests.algorithms.test_contracts import SCHEMES, scheme_of
from tests.support.oracles.forwarding.messages import direct_path_s, linked_system
from tests.support.oracles.instances import poisson_jobs, random_allocations, served_model
from tests.support.oracles.routed_simulation import paths
from tests.support.project import case_of

JOB = (1.0, 200.0, 20.0)
NO_SETTINGS = np.empty(0)
MADE_FOR_DIRECT = ("helix", "parallax", "separate", "swarm")  # schemes of systems that send straight to the next server


def alone(count, job=JOB):
    """Return jobs with the lengths of a job that come too rarely to meet."""
    jobs = poisson_jobs(np.random.default_rng(1), count, 1e-6)
    return replace(jobs, lengths=np.array([job[1:]]))


def composed(rng, scheme, servers=8):
    """Return a layout of a random system that is feasible for a scheme."""
    while True:
        system = replace(linked_system(rng, servers, "hub"), arrival_rate_per_s=1e-3)
        try:
            return scheme.compose(system, rng)
        except InfeasibleError:
            continue


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_takes_the_forwarding_that_its_configuration_states(name):
    scheme = scheme_of(name)
    assert scheme.forwarding == ("direct" if name.startswith(MADE_FOR_DIRECT) else "hub")
    direct = replace(scheme, forwarding="direct")
    if getattr(direct, "session_rule", "") == "published_code":
        with pytest.raises(
            NotApplicableError, match=r"^session_rule = published_code: holds for hops over the hub only"
        ):
            composed(np.random.default_rng(1), direct)
        return
    for seed in range(2):
        layout = composed(np.random.default_rng(seed), direct)
        assert layout.system.forwarding == "direct"
        assert_times_of_messages(layout)


def assert_times_of_messages(layout):
    """Compare the times of all chains or routes with those of their messages."""
    if isinstance(layout, Composition):
        for chain, hops in zip(layout.chains, np.split(layout.hop_charged, layout.hop_start[1:-1]), strict=True):
            expected_s = direct_path_s(layout.system, chain.servers, hops.tolist(), JOB)
            assert chain.mean_service_s == pytest.approx(expected_s, rel=1e-9)
        assert (np.diff(layout.mean_service_s) >= 0).all()
        return
    assert isinstance(layout, RoutedComposition)
    client = len(layout.system.servers)
    number = {pair: n for n, pair in enumerate(zip(*(column.tolist() for column in layout.links[:2]), strict=True))}
    for path in paths(layout.placement, layout.slots.tolist(), layout.system.model.block_count)[:50]:
        links = [number[client if source is None else source, j] for source, j, _ in path]
        _, servers, blocks = zip(*path, strict=True)
        expected_s = direct_path_s(layout.system, servers, blocks, JOB)
        assert layout.mean_service_s[links].sum() == pytest.approx(expected_s, rel=1e-9)


@pytest.mark.parametrize(
    "scheme", [Bprr(forwarding="direct"), Petals(PetalsPlacement(), forwarding="direct")], ids=["bprr", "petals"]
)
def test_routed_jobs_pay_for_each_message_and_for_the_way_back(scheme):
    rng = np.random.default_rng(5)
    layout = composed(rng, scheme)
    jobs = alone(40)
    times = simulate_layout(layout, jobs).times
    system, least = layout.system, layout.least_service_s(np.array([JOB]))[0]
    every = paths(layout.placement, layout.slots.tolist(), system.model.block_count)
    possible_s = np.array([direct_path_s(system, *zip(*[hop[1:] for hop in path], strict=True), JOB) for path in every])
    assert least == pytest.approx(possible_s.min(), rel=1e-9)
    np.testing.assert_allclose(times.waiting_s, 0)
    for seconds, size in zip(times.service_s, jobs.size, strict=True):
        assert np.isclose(seconds, size * possible_s, rtol=1e-9).any()


def test_bprr_sends_a_lone_job_along_the_path_with_the_least_time():
    rng = np.random.default_rng(6)
    for _ in range(5):
        layout = composed(rng, Bprr(forwarding="direct"))
        jobs = alone(1)
        (seconds,) = simulate_layout(layout, jobs).times.service_s
        assert seconds == pytest.approx(jobs.size[0] * layout.least_service_s(np.array([JOB]))[0], rel=1e-9)


def test_searched_values_are_exact_means_of_chains_with_their_own_hops():
    rng, compared, unsorted = np.random.default_rng(7), 0, 0
    for system, placement, composition in random_allocations(rng, lambda rng: linked_system(rng, 12), 60):
        rate = float(rng.uniform(0.1, 0.95)) * composition.total_rate_per_s
        work = work_for(problem_of(system), NO_SETTINGS)
        at_rate = problem_of(replace(system, arrival_rate_per_s=rate))
        value = evaluate(prefix_means, at_rate, placed_state(placement), work, True)
        np.testing.assert_allclose(work.chains.time_s[: len(composition)], composition.mean_service_s, rtol=1e-12)
        np.testing.assert_array_equal(work.chains.capacity[: len(composition)], composition.capacity)
        means_s = []
        for k in range(1, len(composition) + 1):
            chains = composition.only(range(k))
            if chains.total_rate_per_s > rate:
                means_s.append(exact(rate, chains.service_rate_per_s, chains.capacity).mean_response_s)
        assert value == pytest.approx(min(means_s), rel=1e-3)
        compared += 1
        hub = gca(replace(system, forwarding="hub"), placement)
        unsorted += len(composition) > 2 and [*hub.capacity] != [*composition.capacity]
    assert compared > 20
    assert unsorted > 3


def test_cells_of_a_search_keep_the_crossings_of_their_servers():
    problem = problem_of(linked_system(np.random.default_rng(8), 6))
    part = part_of(problem, np.array([4, 1]))
    np.testing.assert_array_equal(part.crossing_s, problem.crossing_s[[[4, 4], [1, 1]], [[4, 1], [4, 1]]])
    np.testing.assert_array_equal(part.end_s, problem.end_s[[4, 1]])


def test_reserved_chains_take_the_time_of_their_own_hops():
    rng = np.random.default_rng(9)
    layout = composed(rng, EqualSplit(1))
    system = replace(layout.system, forwarding="direct")
    placement = GbpCr()(system, 1)
    server, start = placement.reserved_hops()
    for k, seconds in enumerate(placement.reserved_chain_s(system)):
        chain = server[start[k] : start[k + 1]]
        assert seconds == pytest.approx(direct_path_s(system, chain, placement.block_count[chain], JOB), rel=1e-9)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda system: exhaustive(system, 1), r"^placement = exhaustive: holds for hops over the hub only"),
        (lambda system: set_packing(system, 1), r"^placement = set_packing: holds for hops over the hub only"),
        (
            response_floor_s,
            r"^the time of the fastest chain: holds for hops over the hub only, and forwarding = direct",
        ),
        (response_bound_s, r"^the certificate: holds for hops over the hub only, and forwarding = direct; use"),
        (lambda system: response_bound_s(system, 3), r"^the certificate: holds for hops over the hub only"),
        (rate_bound_per_s, r"^the certificate: holds for hops over the hub only, and forwarding = direct; use"),
    ],
)
def test_what_holds_over_the_hub_only_refuses_direct_hops(use, message):
    with pytest.raises(NotApplicableError, match=message):
        use(linked_system(np.random.default_rng(2), 4))


@pytest.mark.parametrize("evaluator", ["bound", "floor"])
def test_bounds_of_a_case_refuse_direct_hops_of_its_scheme(evaluator):
    case = case_of(f"evaluator={evaluator}", "network=european", "algorithm.forwarding=direct", "cluster=nine_servers")
    made = instantiate(case, _convert_="all")
    with pytest.raises(NotApplicableError, match=rf"^evaluator = {evaluator}: holds for hops over the hub only"):
        made.evaluate(range(1), range(1))


def two_servers(mbytes_per_s, forwarding):
    """Return a chain of two servers; the activations of a prompt take 12.5 MB."""
    model = replace(served_model(4), hidden_size=62_500)  # 125 kB a token
    byte_s = 0.0 if mbytes_per_s is None else 1 / (mbytes_per_s * 1e6)
    token_s = model.activation_bytes * byte_s
    servers = Servers(
        [2.5, 2.5],
        np.array([[0.02, 2 * token_s, 0.02 + 2 * token_s]] * 2),
        np.full((2, 3), 0.1),
        orchestrator_rtt_s=np.array([0.02, 0.02]),
        rtt_s=np.array([[0.0, 0.04], [0.04, 0.0]]),
        activation_s=token_s * (1 - np.eye(2)),
    )
    system = System(model, servers, 1e-4, (1.0, 100.0, 0.0), forwarding=forwarding)
    return gca(system, Placement([0, 2], [2, 2]))


@pytest.mark.parametrize(("forwarding", "crossings"), [("hub", 4), ("direct", 3)])
def test_a_prompt_of_12_5_mb_takes_a_second_for_each_crossing_at_12_5_mb_per_s(forwarding, crossings):
    dispatch = scheme_of("proposed").dispatch
    slow, fast = (two_servers(mbytes_per_s, forwarding).under(dispatch) for mbytes_per_s in (12.5, None))
    assert slow.mean_service_s - fast.mean_service_s == pytest.approx(crossings, rel=1e-12)
    assert ExactMean()(slow) - ExactMean()(fast) == pytest.approx(crossings, rel=1e-2)  # hardly any job waits
    jobs = alone(20, (1.0, 100.0, 0.0))
    seconds = [simulate_layout(layout, jobs).times.service_s for layout in (slow, fast)]
    np.testing.assert_allclose(seconds[0] - seconds[1], crossings * jobs.size, rtol=1e-9)
