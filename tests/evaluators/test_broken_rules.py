"""Policies, delays and step times that answer nonsense end every kind of run with one sentence that names them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from algorithms.routing.petals import no_cache_penalty
from evaluators.simulation import simulate_layout, stream_layout
from evaluators.simulation.chunks import simulate_chunks
from evaluators.simulation.jobs import chain_table
from store.disk.identity import identity_of
from store.disk.outcome import outcome_of
from store.disk.parts import Part
from store.disk.store import Store
from store.workers.work import WorkItem, do_work
from sweep.instantiate import evaluate
from system import InputError
from system.code.compiler import compiled
from system.dispatch import DISPATCH, Dispatch
from system.routing import DELAY, Routing
from system.service.independent import INDEPENDENT
from system.service.linear_law import STEP
from system.service.lockstep import Lockstep
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.evaluators.test_routed_simulation import petals_scheme, random_routed
from tests.support.oracles.instances import chains_of, poisson_jobs
from tests.support.project import case_of
from workloads.jobs import Jobs


@compiled(DISPATCH)
def minus_five_later(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return 0 if uniform < 0.5 else -5


@compiled(DISPATCH)
def one_beyond(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return 0 if uniform < 0.5 else capacity.size


@compiled(DISPATCH)
def huge(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return 1 << 62


@compiled(DISPATCH)
def never(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return -1


@compiled(DISPATCH)
def far_read(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return 0 if rate_per_s[capacity.size + 10**9] > 1 else -1


@compiled(DISPATCH)
def without_settings(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return 0 if settings[0] > 1 else -1


@compiled(DISPATCH)
def divides(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return 1 // queued[0]


POLICIES = {policy.__name__: policy for policy in (minus_five_later, one_beyond, huge, never, far_read, divides)}
BEYOND = "reads beyond the end of an array; keep its indices below the size"
IDLE = "it must let a job start when all chains are idle"


def planted(name: str) -> Dispatch:
    """Return a broken policy by its name, as points do."""
    return Dispatch(POLICIES[name], work_conserving=False)


def token_jobs(count: int) -> Jobs:
    """Return equal jobs with random numbers 0.25 and 0.75 in turn."""
    return Jobs(np.arange(1.0, count + 1), np.ones(count), np.array([[10.0, 2.0]]), np.tile([0.25, 0.75], count // 2))


def message(policy: str, count: int, jobs: int) -> str:
    """Return the sentence for a policy with `count` chains."""
    first, last = f"dispatch = {policy}: ", f"must answer with a chain below {count} or with -1"
    return {
        "minus_five_later": f"{first}answers -5 for job 1; {last}",
        "one_beyond": f"{first}answers {count} for job 1; {last}",
        "huge": f"{first}answers {2**62} for job 0; {last}",
        "never": f"{first}leaves {jobs} jobs waiting beside idle chains; {IDLE}",
        "far_read": first + BEYOND,
        "divides": f"{first}raises ZeroDivisionError (integer division by zero); it must always answer",
    }[policy]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("service", [INDEPENDENT, Steps(), Steps(batching="decode"), TokenBudget(), Lockstep()])
def test_a_broken_policy_ends_a_simulation(policy, service):
    chains = chains_of(np.random.default_rng(801)).under(planted(policy))
    with pytest.raises(InputError, match=f"^{re.escape(message(policy, len(chains), 20))}$"):
        simulate_layout(chains, token_jobs(20), service)


@pytest.mark.parametrize("service", [INDEPENDENT, Steps()])
def test_a_policy_that_never_serves_is_no_unstable_run(service):
    chains = chains_of(np.random.default_rng(801)).under(planted("never"))
    with pytest.raises(InputError, match=r"^dispatch = never: leaves \d+ jobs waiting beside idle chains"):
        simulate_layout(chains.at_rate(chains.total_rate_per_s / 2), token_jobs(3000), service, stop_unstable=True)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_broken_policy_ends_a_simulation_in_chunks(policy):
    table = chain_table([1.0, 2.0], [1, 1], planted(policy), None)
    jobs = token_jobs(20)
    chunks = [jobs.of_jobs(slice(first, first + 4)) for first in range(0, 20, 4)]
    with pytest.raises(InputError, match=f"^{re.escape(message(policy, 2, 20))}$"):
        list(simulate_chunks(chunks, table, planted(policy)))


@compiled(DISPATCH)
def fastest_then_beyond(busy, queued, waiting, capacity, rate_per_s, settings, uniform):
    return 99 if uniform > 0.99 else (0 if busy[0] < capacity[0] else -1)


def test_the_number_of_a_job_counts_from_the_first_chunk():
    jobs = token_jobs(20)
    jobs.uniform[13] = 0.995
    table = chain_table([0.1], [1], JFFC, None)
    chunks = [jobs.of_jobs(slice(first, first + 4)) for first in range(0, 20, 4)]
    with pytest.raises(InputError, match=r"answers 99 for job 13; "):
        list(simulate_chunks(chunks, table, Dispatch(fastest_then_beyond, work_conserving=False)))


def test_a_policy_that_never_serves_ends_a_long_simulation_early():
    chains = chains_of(np.random.default_rng(801)).under(planted("never"))
    chains, jobs = chains.at_rate(chains.total_rate_per_s / 2), token_jobs(2000)
    chunks = (jobs.of_jobs(slice(first, first + 10)) for first in range(0, 2000, 10))
    with pytest.raises(InputError, match=r"^dispatch = never: leaves 500 jobs waiting beside idle chains"):
        stream_layout(chains, chunks, 2000, INDEPENDENT)


def test_a_policy_without_its_settings_is_refused():
    chains = chains_of(np.random.default_rng(801)).under(Dispatch(without_settings, work_conserving=False))
    with pytest.raises(InputError, match=f"^dispatch = without_settings: {re.escape(BEYOND)}$"):
        simulate_layout(chains, token_jobs(20))


def test_a_function_alone_is_no_dispatch():
    with pytest.raises(InputError, match=r"^dispatch = never: is only a function; name an object that is Dispatch\("):
        chains_of(np.random.default_rng(801)).under(never)


@pytest.mark.parametrize("policy", ["minus_five_later", "never", "far_read"])
def test_a_point_with_a_broken_policy_has_failed(policy, tmp_path):
    case = case_of("network=european", "evaluator=simulation", "workload.job_count=2000")
    case["algorithm"]["dispatch"] = {"_target_": f"{__name__}.planted", "name": policy}
    item = WorkItem(identity_of(case).point, case, [Part(range(1), range(1))])
    with pytest.raises(Exception, match=f"dispatch = {policy}: "):
        do_work(Store(tmp_path), item, evaluate)
    outcome = outcome_of(Store(tmp_path), item.point, [], 1, 1)
    assert outcome.status == "failed"
    assert outcome.reason.startswith(f"dispatch = {policy}: ")


@compiled(DELAY)
def not_a_number(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):
    return np.nan


@compiled(DELAY)
def minus_one(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):
    return -1.0


@compiled(DELAY)
def far_end(server, blocks, hosted, free, unreserved, now_s, first, last, end_s, slots, settings):
    return end_s[end_s.size]


@pytest.mark.parametrize(
    ("delay", "reason"),
    [
        (not_a_number, r"answers nan s for server \d; must answer 0 s or more"),
        (minus_one, r"answers -1 s for server \d; must answer 0 s or more"),
        (far_end, BEYOND),
    ],
)
@pytest.mark.parametrize("service", [INDEPENDENT, Steps()])
def test_a_broken_delay_ends_a_simulation(delay, reason, service):
    routes = random_routed(np.random.default_rng(802), petals_scheme, "backoff")
    assert simulate_layout(replace(routes, rule=Routing(no_cache_penalty, settings=[1.0])), token_jobs(2), service)
    with pytest.raises(InputError, match=f"^delay = {delay.__name__}: {reason}$"):
        simulate_layout(replace(routes, rule=Routing(delay)), token_jobs(2), service)


@compiled(STEP)
def negative_s(prompt_tokens, cached_tokens, steps, blocks, block_s, settings):
    return 1.0 if prompt_tokens > 0 else -1.0


@compiled(STEP)
def endless_s(prompt_tokens, cached_tokens, steps, blocks, block_s, settings):
    return np.inf


@compiled(STEP)
def fourth_coefficient_s(prompt_tokens, cached_tokens, steps, blocks, block_s, settings):
    return block_s[3]


@pytest.mark.parametrize(
    ("step_s", "reason"),
    [
        (negative_s, "answers -1 s for a step; must answer a finite time of 0 s or more"),
        (endless_s, "answers inf s for a step; must answer a finite time of 0 s or more"),
        (fourth_coefficient_s, BEYOND),
    ],
)
@pytest.mark.parametrize(
    ("model", "settings"), [(Steps, {}), (Steps, {"batching": "decode"}), (TokenBudget, {}), (Lockstep, {})]
)
def test_a_broken_service_model_ends_a_simulation(step_s, reason, model, settings):
    class Broken(model):
        pass

    Broken.step_s = staticmethod(step_s)
    chains = chains_of(np.random.default_rng(801)).under(JFFC)
    with pytest.raises(InputError, match=f"^service = {step_s.__name__}: {re.escape(reason)}$"):
        simulate_layout(chains, token_jobs(20), Broken(**settings))


def test_after_a_broken_run_other_runs_are_as_before():
    chains = chains_of(np.random.default_rng(801))
    jobs = poisson_jobs(np.random.default_rng(803), 1000, 0.5)
    before = simulate_layout(chains.under(JFFC), jobs).times
    for policy in POLICIES:
        with pytest.raises(InputError):
            simulate_layout(chains.under(planted(policy)), jobs)
    after = simulate_layout(chains.under(JFFC), jobs).times
    assert after.response_s.tobytes() == before.response_s.tobytes()
