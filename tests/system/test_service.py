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
from system.service.lockstep import Lockstep
from system.service.model import ServiceModel, StepRules
from system.service.shared_servers import FACTORS, batch_s
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.algorithms.test_contracts import made, names
from tests.evaluators.test_routed_simulation import SCHEMES, random_routed
from tests.support.oracles.instances import chains_of, random_system
from workloads.jobs import Jobs

MODELS = {
    **{f"service={name}": made("service", name) for name in names("service")},
    "stacks": Steps(batching="decode", batch_curve={2: 1.5}),
    "shares": Steps(batching="decode", stacking="share_of_slots", batch_curve={2: 2.0}),
    "handled": Steps(batching="decode", batch_curve={2: 2.0}, handling_s=5e-4),  # shorter than any round trip
    "mixed and handled": TokenBudget(budget_tokens=300, batch_curve={4: 2.0}, handling_s=5e-4),
    "lockstep and handled": Lockstep(budget_tokens=300, batch_curve={4: 2.0}, handling_s=5e-4),
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
        for step_s, settings in ((step_alone_s, np.empty(0)), (batch_s, np.array([0.5, 1.0, 1.5]))):
            steps_s = [step_s(float(tokens), 0.0, 0, blocks, block_s, settings)]
            steps_s += [step_s(0.0, 0.0, 1, blocks, block_s, settings) for _ in range(further)]
            assert sum(steps_s) == pytest.approx(blocks * (block_s @ (1, tokens, further)), rel=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_stack_takes_a_step_and_a_share_of_it_for_each_further_one(share):
    block_s, curve = np.array([0.5, 0.1, 0.2]), np.array([share, 1.0])
    for steps in range(1, 5):
        expected_s = 6 * 0.2 + sum(share * 6 * 0.2 for _ in range(steps - 1))
        assert batch_s(0.0, 0.0, steps, 6, block_s, curve) == pytest.approx(expected_s, rel=1e-12)
    assert batch_s(3.0, 0.0, 0, 6, block_s, curve) == pytest.approx(6 * (0.5 + 3 * 0.1), rel=1e-12)


@pytest.mark.parametrize(("once_s", "slower_s"), [(0.1, 0.3), (0.5, 0.5)])
def test_weights_are_read_once_for_a_prompt_and_the_steps_beside_it(once_s, slower_s):
    """Let three steps take 0.3 s a block together."""
    block_s, curve = np.array([once_s, 0.01, 0.2]), np.array([0.25, 1.0])
    assert batch_s(7.0, 0.0, 3, 2, block_s, curve) == pytest.approx(2 * (slower_s + 7 * 0.01), rel=1e-12)
    later_chunk_s = 2 * (max(once_s, 0.2) + 7 * 0.01)
    assert batch_s(7.0, 5.0, 0, 2, block_s, curve) == pytest.approx(later_chunk_s, rel=1e-12)
    assert batch_s(7.0, 0.0, 0, 2, block_s, curve) == pytest.approx(2 * (once_s + 7 * 0.01), rel=1e-12)


@every_model
def test_every_model_has_the_interface_of_service_models(name):
    service: ServiceModel = MODELS[name]
    members = [member for member in vars(ServiceModel) if not member.startswith("_")]
    assert {"loop", "step_s", "settings_of", "rules", "request_delay_s", "factors"} <= set(members)
    assert all(hasattr(service, member) for member in members)
    assert service.loop in ("jobs", "steps", "rounds")
    assert isinstance(service.rules, StepRules)
    servers = random_system(np.random.default_rng(724)).servers
    factors, settings = service.factors(np.random.default_rng(724)), service.settings_of(servers)
    assert factors.ndim == 1
    assert settings.shape[0] == len(servers)
    for numbers in (factors, settings):
        assert numbers.dtype == np.float64
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


def host_s(layout, jobs, rules):
    """Return what a host adds until the first token, and in all."""
    chain, further = layout.chain(0), jobs.lengths[0, 1]
    trips = zip(chain.blocks, layout.system.servers.orchestrator_rtt_s[list(chain.servers)], strict=True)
    shape_s = rules.shape_round_trips * sum(blocks * rtt_s for blocks, rtt_s in trips)
    token_s = rules.round_s + rules.head_s
    first_s = rules.join_s + token_s + shape_s
    return first_s, first_s + further * token_s + (further > 0) * shape_s


@every_model
def test_a_single_job_takes_the_time_of_equation_2_on_the_fastest_chain(name):
    rng, service = np.random.default_rng(725), MODELS[name]
    for _ in range(10):
        layout, jobs = chains_of(rng).under(JFFC), one_job(rng)
        first_token_s, service_s = np.add(plain_alone_s(layout, jobs), host_s(layout, jobs, service.rules))
        times = simulate_layout(layout, jobs, service, np.random.default_rng(726)).times
        assert times.chain.tolist() == [0]
        assert times.waiting_s.tolist() == [0.0]
        assert times.service_s == pytest.approx([service_s], rel=1e-12)
        assert times.first_token_s == pytest.approx([first_token_s], rel=1e-12)
        assert times.output_token_s == pytest.approx([(service_s - first_token_s) / jobs.lengths[0, 1]], rel=1e-9)


@pytest.mark.parametrize("name", [name for name, service in MODELS.items() if service.loop != "rounds"])
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


def test_lockstep_needs_chains():
    routed = random_routed(np.random.default_rng(727), SCHEMES["ws_rr"], "fcfs")
    message = "service = Lockstep: needs chains, but every job has a path of its own here; use service=steps or an "
    with pytest.raises(NotApplicableError, match=f"^{re.escape(message)}"):
        simulate_layout(routed, one_job(np.random.default_rng(727)), Lockstep())


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
        ({"batching": "mixed"}, "batching = mixed: must be one of serial, decode"),
        ({"stacking": "some"}, "stacking = some: must be one of all_waiting, share_of_slots"),
        ({"batch_curve": 0.1}, "batch_curve = 0.1: must be measured, or ratios to the time of a single step by size"),
        ({"batch_curve": {0: 1.0}}, "batch_curve = 0: must have whole sizes of stacks as keys, 1 to "),
        ({"batch_curve": {2.5: 1.0}}, "batch_curve = 2.5: must have whole sizes of stacks as keys, 1 to "),
        ({"batch_curve": {2: 0.0}}, "batch_curve of 2 = 0.0: must be above 0, and 1 for a single step"),
        ({"batch_curve": {1: 1.1}}, "batch_curve of 1 = 1.1: must be above 0, and 1 for a single step"),
        ({"batch_curve": {2: "2"}}, "batch_curve of 2 = 2: must be above 0, and 1 for a single step"),
        ({"prefill_chunk_tokens": 0}, "prefill_chunk_tokens = 0: must be a whole number of at least 1"),
        ({"handling_s": -1}, "handling_s = -1: must be a finite number, 0 or above"),
        ({"head_s": -1}, "head_s = -1: must be a finite number, 0 or above"),
        ({"slowdown": 0}, "slowdown = 0: must be a finite number above 0"),
        ({"slowdown_cv": -1}, "slowdown_cv = -1: must be a finite number, 0 or above"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        Steps(**settings)


@pytest.mark.parametrize("model", [TokenBudget, Lockstep])
def test_invalid_budgets_are_refused(model):
    for tokens in (0, 2.5):
        with pytest.raises(
            InputError, match=f"^{re.escape(f'budget_tokens = {tokens}: must be a whole number of at least 1')}"
        ):
            model(budget_tokens=tokens)
    message = "budget_tokens = None: belongs to batching = mixed; give it there and only there"
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        model(budget_tokens=None)
    with pytest.raises(InputError, match=r"^budget_tokens = 5: belongs to batching = mixed"):
        StepRules(batching="decode", budget_tokens=5)


@dataclass(frozen=True)
class IndependentWithHandling(Independent):
    rules: ClassVar[StepRules] = StepRules(handling_s=5.0)


@dataclass(frozen=True, kw_only=True)
class Turns(Steps):
    loop: ClassVar[str] = "turns"


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (IndependentWithHandling(), 'service = IndependentWithHandling: .* needs? `loop = "steps"`'),
        (Turns(), "loop = turns: must be one of jobs, steps, rounds"),
    ],
)
def test_a_service_model_that_its_loop_cannot_simulate_is_refused(service, message):
    chains = chains_of(np.random.default_rng(725)).under(JFFC)
    one_job = Jobs(np.zeros(1), np.ones(1), np.ones((1, 2)), np.zeros(1))
    with pytest.raises(InputError, match=message):
        simulate_layout(chains, one_job, service)


@pytest.mark.parametrize("service", [Steps(handling_s=0.1), Steps(slowdown=2.0), Steps(slowdown_cv=0.5)])
def test_a_service_model_that_servers_cannot_reproduce_is_refused(service):
    with pytest.raises(NotApplicableError, match=r"pace: paced runs do not imitate .*handling .*Steps\("):
        Pace.of(service, np.array([1.0, 0.1, 0.2]), np.ones(1))
    curve = Steps(batch_curve={2: 1.5}).settings_of(random_system(np.random.default_rng(1)).servers)[0]
    assert Pace.of(Steps(), np.array([1.0, 0.1, 0.2]), curve).settings == (0.5, 1.0, 1.5)
