"""Service models and the linear law of equation (2), compared with plain sums; every model has the interface."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from numba.core.types import void

from algorithms.dispatch.jffc import JFFC
from evaluators.simulation import simulate_layout
from serving.server.spec import Pace
from system import Composition, InputError, NotApplicableError
from system.service.independent import INDEPENDENT, Independent
from system.service.linear_law import STEP, job_s, prompt_s, step_alone_s
from system.service.model import ServiceModel, require_batching
from system.service.steps import FACTORS, Steps
from tests.algorithms.test_contracts import made, names
from tests.evaluators.test_admission import chains_of
from tests.evaluators.test_routed_simulation import SCHEMES, random_routed
from tests.support.oracles.instances import random_system
from workloads.jobs import Jobs

MODELS = {
    **{f"service={name}": made("service", name) for name in names("service")},
    "stacks": Steps(batching="decode", further_share=0.5),
    "handled": Steps(batching="decode", further_share=1.0, handling_s=5e-4),  # handling is shorter than any round trip
}
every_model = pytest.mark.parametrize("name", MODELS)


def test_a_visit_takes_its_communication_once_and_its_computation_for_each_block():
    system = random_system(np.random.default_rng(721))
    servers, server, blocks = system.servers, np.array([3, 0, 3, 5]), np.array([1, 2, 4, 7])
    coefficients_s = servers.visit_coefficients_s(server, blocks)
    for i, (j, m) in enumerate(zip(server.tolist(), blocks.tolist(), strict=True)):
        for part in range(3):
            expected_s = servers.communication_s[j, part] + sum(servers.block_s[j, part] for _ in range(m))
            assert coefficients_s[i, part] == pytest.approx(expected_s, rel=1e-12)


def test_the_linear_law_is_a_plain_sum_over_tokens():
    rng = np.random.default_rng(722)
    for _ in range(50):
        once_s, input_token_s, output_token_s = rng.uniform(0, 1, 3)
        tokens, further, size = int(rng.integers(1, 50)), int(rng.integers(0, 50)), float(rng.uniform(0.1, 3))
        expected_s = once_s + sum(input_token_s for _ in range(tokens))
        assert prompt_s(once_s, input_token_s, tokens) == pytest.approx(expected_s, rel=1e-12)
        first_s, whole_s = job_s(once_s, input_token_s, output_token_s, size, tokens, further)
        assert first_s == pytest.approx(size * expected_s, rel=1e-12)
        assert whole_s == pytest.approx(size * (expected_s + sum(output_token_s for _ in range(further))), rel=1e-12)


def test_the_steps_of_a_job_add_up_to_its_computation():
    rng = np.random.default_rng(723)
    for _ in range(50):
        block_s, blocks = rng.uniform(0, 1, 3), int(rng.integers(1, 9))
        tokens, further = int(rng.integers(1, 50)), int(rng.integers(0, 50))
        steps_s = [step_alone_s(float(tokens), 1, blocks, block_s, np.empty(0))]
        steps_s += [step_alone_s(0.0, 1, blocks, block_s, np.empty(0)) for _ in range(further)]
        assert sum(steps_s) == pytest.approx(blocks * (block_s @ (1, tokens, further)), rel=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_stack_takes_the_longest_step_and_a_share_of_it_for_each_further_one(share):
    service, block_s = Steps(batching="decode", further_share=share), np.array([0.5, 0.1, 0.2])
    longest_s = 6 * 0.2
    for steps in range(1, 5):
        expected_s = longest_s + sum(share * longest_s for _ in range(steps - 1))
        assert service.step_s(0.0, steps, 6, block_s, service.settings) == pytest.approx(expected_s, rel=1e-12)
    assert service.step_s(3.0, 1, 6, block_s, service.settings) == pytest.approx(6 * (0.5 + 3 * 0.1), rel=1e-12)


@every_model
def test_every_model_has_the_interface_of_service_models(name):
    service: ServiceModel = MODELS[name]
    members = [member for member in vars(ServiceModel) if not member.startswith("_")]
    assert {"loop", "step_s", "settings", "batching", "handling_s", "factors"} <= set(members)
    assert all(hasattr(service, member) for member in members)
    assert service.loop in ("jobs", "steps")
    require_batching(service.batching)
    assert service.handling_s >= 0
    factors = service.factors(np.random.default_rng(724))
    for numbers in (factors, service.settings):
        assert numbers.dtype == np.float64
        assert numbers.ndim == 1
        assert numbers.flags["C_CONTIGUOUS"]
    assert (factors > 0).all()
    assert isinstance(service.step_s, Dispatcher)
    assert service.step_s.signatures == [STEP.args]
    assert service.step_s.overloads[STEP.args].signature.return_type == STEP.return_type != void


def plain_alone_s(chains: Composition, jobs: Jobs) -> tuple[float, float]:
    """Return a job's times to its first token and to its end.

    They are computed by equation (2) on the fastest chain.
    """
    servers, (prompt, further) = chains.system.servers, jobs.lengths[0]
    fastest = min(chains.chains, key=lambda chain: chain.mean_service_s)
    hops = list(zip(fastest.servers, fastest.blocks, strict=True))
    first_token_s = sum(servers.communication_s[j, :2] @ (1, prompt) for j, _ in hops)
    first_token_s += sum(m * servers.block_s[j, :2] @ (1, prompt) for j, m in hops)
    further_token_s = sum(servers.communication_s[j, 2] + m * servers.block_s[j, 2] for j, m in hops)
    return first_token_s, first_token_s + sum(further_token_s for _ in range(int(further)))


def one_job(rng: np.random.Generator) -> Jobs:
    lengths = np.array([[rng.integers(1, 300), rng.integers(1, 30)]], dtype=np.float64)
    return Jobs(np.array([1.0]), np.ones(1), lengths, rng.random(1))


@every_model
def test_a_single_job_takes_the_time_of_equation_2_on_the_fastest_chain(name):
    rng, service = np.random.default_rng(725), MODELS[name]
    for _ in range(10):
        layout, jobs = chains_of(rng).under(JFFC), one_job(rng)
        first_token_s, service_s = plain_alone_s(layout, jobs)
        times = simulate_layout(layout, jobs, service, np.random.default_rng(726)).times
        assert times.chain.tolist() == [0]
        assert times.waiting_s.tolist() == [0.0]
        assert times.service_s == pytest.approx([service_s], rel=1e-12)
        assert times.first_token_s == pytest.approx([first_token_s], rel=1e-12)
        assert times.output_token_s == pytest.approx([(service_s - first_token_s) / jobs.lengths[0, 1]], rel=1e-9)


@every_model
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_single_job_takes_the_same_time_on_routes_under_every_model(name, scheme):
    """Check for the time of equation (2) on the scheme's cheapest path.

    It is the sum of the coefficients of the path's links.
    """
    rng, service = np.random.default_rng(727), MODELS[name]
    for _ in range(5):
        layout, jobs = random_routed(rng, SCHEMES[scheme], "fcfs"), one_job(rng)
        times = simulate_layout(layout, jobs, service, np.random.default_rng(728)).times
        expected = simulate_layout(layout, jobs, INDEPENDENT).times
        assert times.service_s == pytest.approx(expected.service_s, rel=1e-12)
        assert times.first_token_s == pytest.approx(expected.first_token_s, rel=1e-12)
        assert times.chain_count == 0


def test_slowdowns_have_the_configured_mean_and_variation():
    factors = Steps(slowdown=1.5, slowdown_cv=0.4).factors(np.random.default_rng(729))
    assert factors.size == FACTORS
    assert factors.mean() == pytest.approx(1.5, rel=4 * 0.4 / np.sqrt(FACTORS))
    assert factors.std() / factors.mean() == pytest.approx(0.4, rel=0.02)
    again = Steps(slowdown=1.5, slowdown_cv=0.4).factors(np.random.default_rng(729))
    assert factors.tobytes() == again.tobytes()


def test_only_varying_slowdowns_need_random_numbers():
    assert Steps(slowdown=1.5).factors(None).tolist() == [1.5]
    assert Independent().factors(None).tolist() == [1.0]
    with pytest.raises(InputError, match=r"^slowdown_cv = 0\.1: needs random numbers"):
        Steps(slowdown_cv=0.1).factors(None)
    layout, jobs = chains_of(np.random.default_rng(730)).under(JFFC), one_job(np.random.default_rng(730))
    with pytest.raises(InputError, match=r"^slowdown_cv = 0\.1: needs random numbers"):
        simulate_layout(layout, jobs, Steps(slowdown_cv=0.1))


def test_steps_need_whole_tokens_and_the_papers_model_takes_any_size():
    layout = chains_of(np.random.default_rng(731)).under(JFFC)
    jobs = Jobs(np.zeros(1), np.full(1, 0.5), np.array([[10.0, 3.0]]), np.zeros(1))
    assert simulate_layout(layout, jobs, Independent()).times.service_s[0] > 0
    with pytest.raises(NotApplicableError, match=r"^workload: .*; use workload=drawn_lengths or a trace$"):
        simulate_layout(layout, jobs, Steps())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batching": "both"}, "batching = both: must be one of serial, decode"),
        ({"further_share": -0.1}, "further_share = -0.1: must be a finite number, 0 or above"),
        ({"further_share": 1.1}, "further_share = 1.1: must be a share of a step's time, at most 1"),
        ({"handling_s": -1}, "handling_s = -1: must be a finite number, 0 or above"),
        ({"slowdown": 0}, "slowdown = 0: must be a finite number above 0"),
        ({"slowdown_cv": -1}, "slowdown_cv = -1: must be a finite number, 0 or above"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        Steps(**settings)


@dataclass(frozen=True)
class IndependentWithHandling(Independent):
    handling_s: ClassVar[float] = 5.0


@dataclass(frozen=True, kw_only=True)
class Rounds(Steps):
    loop: ClassVar[str] = "rounds"


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (IndependentWithHandling(), 'service = IndependentWithHandling: .* needs `loop = "steps"`'),
        (Rounds(), "loop = rounds"),
    ],
)
def test_a_service_model_that_its_loop_cannot_simulate_is_refused(service, message):
    chains = chains_of(np.random.default_rng(725)).under(JFFC)
    one_job = Jobs(np.zeros(1), np.ones(1), np.ones((1, 2)), np.zeros(1))
    with pytest.raises(InputError, match=message):
        simulate_layout(chains, one_job, service)


@pytest.mark.parametrize("service", [Steps(handling_s=0.1), Steps(slowdown=2.0), Steps(slowdown_cv=0.5)])
def test_a_service_model_that_servers_cannot_reproduce_is_refused(service):
    with pytest.raises(NotApplicableError, match=r"pace: paced servers do not imitate .*handling .*Steps\("):
        Pace.of(service, np.array([1.0, 0.1, 0.2]))
    assert Pace.of(Steps(further_share=0.5), np.array([1.0, 0.1, 0.2])).settings == (0.5,)
