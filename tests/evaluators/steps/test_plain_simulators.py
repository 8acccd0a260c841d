"""Simulation of steps, compared with plain simulators: every job, part and server is the same."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from evaluators.simulation.steps.simulate import simulate_steps
from system import NotApplicableError
from system.layout import Layout
from system.routing import WAITING
from system.service.lockstep import Lockstep
from system.service.model import ServiceModel
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.algorithms.test_contracts import made, names
from tests.algorithms.test_dispatch import DISPATCHES
from tests.evaluators.test_routed_simulation import SCHEMES, crowded_rate_per_s, random_routed
from tests.support.oracles.instances import chains_of, random_system
from tests.support.oracles.steps.computing import BETWEEN_FACTORS
from tests.support.oracles.steps.runs import (
    assert_as_the_plain_simulator,
    chains_on_a_grid,
    jobs_on_a_grid,
    on_a_grid,
    token_jobs,
    with_direct_hops,
)

CURVE = {2: 1.25, 4: 1.5, 8: 3.0}
POLICIES = [("jffc", 0.5), ("jffc", 1.5), ("jsq", 0.9), ("sed", 0.9)]


class Varying:
    """Factors from a list instead of random ones; they are powers of 2 and differ from server to server."""

    def factors(self, rng: np.random.Generator | None) -> np.ndarray:
        return 2.0 ** np.random.default_rng(520).integers(-1, 2, BETWEEN_FACTORS + 5)


@dataclass(frozen=True, kw_only=True)
class VaryingSteps(Varying, Steps):
    """Step queues with factors from the list."""


@dataclass(frozen=True, kw_only=True)
class VaryingBudget(Varying, TokenBudget):
    """A token budget with factors from the list."""


@dataclass(frozen=True, kw_only=True)
class VaryingLockstep(Varying, Lockstep):
    """Lockstep with factors from the list."""


MODELS = {
    "serial": (Steps, VaryingSteps, {}),
    "decode": (Steps, VaryingSteps, {"batching": "decode", "batch_curve": CURVE}),
    "share of slots": (
        Steps,
        VaryingSteps,
        {"batching": "decode", "stacking": "share_of_slots", "batch_curve": {2: 2.0, 3: 3.0}},
    ),
    "mixed": (TokenBudget, VaryingBudget, {"budget_tokens": 70, "batch_curve": CURVE}),
    "mixed, ample": (TokenBudget, VaryingBudget, {"budget_tokens": 2048, "batch_curve": CURVE}),
    "lockstep": (Lockstep, VaryingLockstep, {"budget_tokens": 70, "batch_curve": CURVE}),
    "lockstep, ample": (Lockstep, VaryingLockstep, {"batch_curve": CURVE}),
    "lockstep, hosts": (Lockstep, VaryingLockstep, {"batch_curve": CURVE, "round_s": 0.03125, "join_s": 0.25}),
}
FURTHER = {
    "alone": {},
    "handling": {"handling_s": 0.125},
    "chunks and a head": {"prefill_chunk_tokens": 48, "head_s": 0.0625},
    "all": {"prefill_chunk_tokens": 150, "head_s": 0.0625, "handling_s": 0.0625},
}


def service_of(model: str, further: str) -> ServiceModel:
    even, varying, settings = MODELS[model]
    return (varying if further in ("handling", "all") else even)(**settings, **FURTHER[further])


every_model = pytest.mark.parametrize("model", MODELS)
every_further = pytest.mark.parametrize("further", FURTHER)
in_queues = pytest.mark.parametrize("model", [name for name, (kind, *_) in MODELS.items() if kind is not Lockstep])


def assert_as_plain_with_queues(cases: list[tuple[Layout, Callable]], service: ServiceModel) -> None:
    """Compare with the plain simulator; steps and jobs must have waited."""
    queued = waited = 0
    for layout, jobs in cases:
        run = assert_as_the_plain_simulator(layout, jobs, service)
        queued += np.count_nonzero(run.times.parts["queue"] > 1e-9)
        waited += np.count_nonzero(run.times.waiting_s)
    assert queued > 30
    assert waited > 3


@every_model
@every_further
def test_every_job_on_chains_is_served_as_in_the_plain_simulator(model, further):
    rng, cases = np.random.default_rng(501), []
    for name, load in POLICIES:
        chains = chains_of(rng).under(DISPATCHES[name])
        cases.append((chains, token_jobs(rng, 50, load * chains.total_rate_per_s)))
    assert_as_plain_with_queues(cases, service_of(model, further))


@every_model
@every_further
def test_events_at_one_instant_come_in_the_order_of_the_plain_simulator(model, further):
    """Take times from a grid, so that many events come at the same instants."""
    rng, cases = np.random.default_rng(512), []
    for name, load in POLICIES:
        chains = chains_on_a_grid(rng).under(DISPATCHES[name])
        cases.append((chains, jobs_on_a_grid(rng, 60, 4 * load * chains.total_rate_per_s)))
    assert_as_plain_with_queues(cases, service_of(model, further))


@every_further
def test_servers_are_prepared_for_new_shapes_as_in_the_plain_simulator(further):
    rng, cases = np.random.default_rng(514), []
    for name, load in POLICIES:
        chains = chains_of(rng).under(DISPATCHES[name])
        cases.append((chains, token_jobs(rng, 50, load * chains.total_rate_per_s)))
    assert_as_plain_with_queues(cases, Lockstep(batch_curve=CURVE, shape_round_trips=3.0, **FURTHER[further]))


@in_queues
@every_further
def test_every_job_on_routes_is_served_as_in_the_plain_simulator(model, further):
    rng, cases = np.random.default_rng(513), []
    for waiting in WAITING:
        routed = random_routed(rng, SCHEMES["ws_rr"], waiting)
        cases.append((routed, token_jobs(rng, 50, crowded_rate_per_s(routed, 1.5))))
        gridded = replace(routed, system=replace(routed.system, servers=on_a_grid(routed.system.servers)))
        cases.append((gridded, jobs_on_a_grid(rng, 50, crowded_rate_per_s(gridded, 3.0))))
    assert_as_plain_with_queues(cases, service_of(model, further))


@every_model
@every_further
def test_steps_go_straight_from_server_to_server_as_in_the_plain_simulator(model, further):
    rng = np.random.default_rng(521)
    chains = chains_of(rng, lambda rng: with_direct_hops(random_system(rng), rng)).under(DISPATCHES["sed"])
    gridded = chains_on_a_grid(rng, is_direct=True).under(DISPATCHES["jffc"])
    assert min(np.diff(layout.hop_start).max() for layout in (chains, gridded)) > 1
    cases = [
        (chains, token_jobs(rng, 40, 1.5 * chains.total_rate_per_s)),
        (gridded, jobs_on_a_grid(rng, 40, 4 * gridded.total_rate_per_s)),
    ]
    if MODELS[model][0] is not Lockstep:
        routed = random_routed(rng, SCHEMES["ws_rr"], WAITING[0])
        straight = replace(routed, system=with_direct_hops(routed.system, rng))
        cases.append((straight, token_jobs(rng, 30, crowded_rate_per_s(routed, 1.5))))
    assert_as_plain_with_queues(cases, service_of(model, further))


@every_model
def test_servers_with_different_measured_curves_compute_as_in_the_plain_simulator(model):
    rng = np.random.default_rng(514)
    chains = chains_of(rng)
    curves = tuple({1: 1.0, 2: 1 + j / 10, 3 + j: 1.5 + j / 10} for j in range(len(chains.system.servers)))
    servers = replace(chains.system.servers, batch_curves=curves)
    measured = replace(chains, system=replace(chains.system, servers=servers)).under(DISPATCHES["jffc"])
    even, _, settings = MODELS[model]
    jobs = token_jobs(rng, 80, chains.total_rate_per_s)
    assert_as_the_plain_simulator(measured, jobs, even(**settings | {"batch_curve": "measured"}))


@pytest.mark.parametrize("service", [name for name in names("service") if name != "independent"])
@pytest.mark.parametrize("name", names("dispatch"))
def test_every_policy_serves_under_every_service_model_as_in_the_plain_simulator(name, service):
    """Check all policies and models under `conf/`.

    Policies that look at arrivals only are refused.
    """
    rng, dispatch, model = np.random.default_rng(515), made("dispatch", name), made("service", service)
    for _ in range(2):
        chains = chains_of(rng).under(dispatch)
        jobs = token_jobs(rng, 60, 1.5 * chains.total_rate_per_s)
        if dispatch.looks != "events":
            with pytest.raises(NotApplicableError, match=r"^looks = arrivals: .* after every event"):
                simulate_steps(chains, jobs, model)
            continue
        times = assert_as_the_plain_simulator(chains, jobs, model).times
        assert times.waiting_s.max() > 0
        assert times.parts["queue"].max() > 0
