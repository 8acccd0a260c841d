"""Links with a bandwidth: the same time in theory, in step queues and in lockstep, in whole prompts and in chunks."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from evaluators.queueing.interference import interference
from evaluators.simulation.steps.simulate import simulate_steps
from system import Composition, Placement, ServedModel, Servers, System
from system.service.lockstep import Lockstep
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from workloads.arrivals import Poisson
from workloads.drawn_lengths import DrawnLengths
from workloads.jobs import Jobs

MODEL = ServedModel("model", 2, 1.0, 0.1, 2048, 1.0, 1.0, hidden_size=8192)
PROMPT_TOKENS = 763.0
LINK_BYTES_PER_S = 12.5e6
TOKEN_S = MODEL.activation_bytes / LINK_BYTES_PER_S  # for a token's activations to cross a link once
RTT_S = 0.02


def two_servers(token_s: float, forwarding: str = "hub", between_token_s: float = 0.0) -> Composition:
    """Return a chain of two servers with `token_s` per token and crossing."""
    visit_s = np.tile([RTT_S, 2 * token_s, RTT_S + 2 * token_s], (2, 1))
    between_s = np.full((2, 2), between_token_s)
    block_s = np.tile([0.01, 1e-4, 0.02], (2, 1))
    servers = Servers([3.0, 3.0], visit_s, block_s, (), rtt_s=np.full((2, 2), RTT_S), activation_s=between_s)
    system = System(MODEL, servers, 0.01, (1.0, PROMPT_TOKENS, 4.0), forwarding=forwarding)
    hops = np.arange(2), np.ones(2, np.int64), np.array([0, 2])
    return Composition.of_hops(system, Placement([0, 1], [1, 1]), *hops, np.array([10])).under(JFFC)


def jobs_at_once(count: int, further_tokens: float = 4.0) -> Jobs:
    """Return equal jobs that arrive together."""
    return Jobs(np.zeros(count), np.ones(count), np.array([[PROMPT_TOKENS, further_tokens]]), np.zeros(count))


def extra_s(slow: Composition, fast: Composition, service) -> tuple[float, float]:
    """Return what slow links add to the first and each further token."""
    before, after = (simulate_steps(chains, jobs_at_once(1), service).times for chains in (fast, slow))
    return after.first_token_s[0] - before.first_token_s[0], after.output_token_s[0] - before.output_token_s[0]


SERVICES = (
    Steps(),
    Steps(prefill_chunk_tokens=100),
    Steps(batching="decode"),
    TokenBudget(budget_tokens=2048),
    TokenBudget(budget_tokens=100),
    Lockstep(),
    Lockstep(budget_tokens=2048, prefill_chunk_tokens=100),
)


@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_a_prompt_as_large_as_the_bytes_of_a_second_costs_a_second_for_each_crossing(service):
    crossing_s = PROMPT_TOKENS * MODEL.activation_bytes / LINK_BYTES_PER_S
    assert crossing_s == pytest.approx(1.0, rel=1e-3)
    slow, fast = two_servers(TOKEN_S), two_servers(0.0)
    in_theory_s = (slow.job_coefficients_s - fast.job_coefficients_s)[0]
    assert in_theory_s[:2] @ [1.0, PROMPT_TOKENS] == pytest.approx(4 * crossing_s)
    assert extra_s(slow, fast, service) == pytest.approx((4 * crossing_s, 4 * TOKEN_S))
    assert in_theory_s[2] == pytest.approx(4 * TOKEN_S)


@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_direct_hops_cross_the_link_between_servers_instead_of_the_hub(service):
    fast = two_servers(0.0, "direct")
    slow_between = two_servers(0.0, "direct", TOKEN_S)
    assert extra_s(slow_between, fast, service) == pytest.approx((PROMPT_TOKENS * TOKEN_S, TOKEN_S))
    slow_ends = two_servers(TOKEN_S, "direct")
    assert extra_s(slow_ends, fast, service) == pytest.approx((2 * PROMPT_TOKENS * TOKEN_S, 2 * TOKEN_S))


def test_a_batch_in_lockstep_carries_the_activations_of_all_its_tokens():
    slow, fast = two_servers(TOKEN_S), two_servers(0.0)
    before, after = (
        simulate_steps(chains, jobs_at_once(4), Lockstep(budget_tokens=4096)).times for chains in (fast, slow)
    )
    # The first job's prompt is alone in its batch. The next batch has its first further token and the other prompts.
    # Then come three batches of four tokens, and one of three.
    tokens = PROMPT_TOKENS + np.array([0, 1, 1, 1]) * (1 + 3 * PROMPT_TOKENS)
    assert after.first_token_s - before.first_token_s == pytest.approx(4 * TOKEN_S * tokens)
    assert (after.output_token_s - before.output_token_s)[1:] == pytest.approx(4 * TOKEN_S * (3 * 4 + 3) / 4)


def test_theory_of_interference_counts_activations():
    workload = DrawnLengths(Poisson(), 10, PROMPT_TOKENS, 5.0)
    slow, fast = (
        interference(replace(chains, rule=None), workload, Steps())
        for chains in (two_servers(TOKEN_S), two_servers(0.0))
    )
    assert slow.mean_first_token_s - fast.mean_first_token_s == pytest.approx(4 * PROMPT_TOKENS * TOKEN_S, rel=0.1)
