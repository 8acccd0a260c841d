"""Rules of step queues and lockstep: chunks, budgets, stacks, the head, and what every rule conserves."""

from dataclasses import replace

import numpy as np
import pytest

from algorithms.dispatch.jffc import JFFC
from evaluators.simulation.steps.simulate import simulate_steps
from system import Composition, NotApplicableError, Placement, Servers, System
from system.response import Run
from system.service.lockstep import Lockstep
from system.service.model import ServiceModel
from system.service.steps import Steps
from system.service.token_budget import TokenBudget
from tests.support.oracles.instances import chains_of, served_model
from tests.support.oracles.steps.runs import busy_s, one_server, token_jobs
from workloads.jobs import Jobs

MODELS = {
    "serial": (Steps, {}),
    "decode": (Steps, {"batching": "decode", "batch_curve": {2: 1.2, 8: 2.0}}),
    "share of slots": (Steps, {"batching": "decode", "stacking": "share_of_slots", "batch_curve": {2: 1.2}}),
    "mixed": (TokenBudget, {"budget_tokens": 500, "batch_curve": {2: 1.2, 8: 2.0}}),
    "lockstep": (Lockstep, {"budget_tokens": 500, "batch_curve": {2: 1.2, 8: 2.0}}),
}
every_model = pytest.mark.parametrize("model", MODELS)
LONGEST_PROMPT = 399


def service_of(model: str, **further) -> ServiceModel:
    kind, settings = MODELS[model]
    return kind(**settings | further)


def jobs_at(arrival_s: list[float], *lengths: tuple[float, float]) -> Jobs:
    """Return jobs with (input tokens, output tokens after the first)."""
    count = len(arrival_s)
    return Jobs(np.array(arrival_s), np.ones(count), np.array(lengths, dtype=np.float64), np.zeros(count))


def busy_chains(seed: int, load: float = 1.0) -> tuple[Composition, Jobs]:
    rng = np.random.default_rng(seed)
    chains = chains_of(rng).under(JFFC)
    return chains, token_jobs(rng, 200, load * chains.total_rate_per_s)


def assert_same_run(ours: Run, other: Run) -> None:
    for name in ("waiting_s", "service_s", "first_token_s"):
        assert getattr(ours.times, name).tobytes() == getattr(other.times, name).tobytes(), name
    assert ours.utilisation.tobytes() == other.utilisation.tobytes()


@every_model
def test_chunks_as_long_as_the_longest_prompt_change_nothing(model):
    chains, jobs = busy_chains(521)
    whole = simulate_steps(chains, jobs, service_of(model))
    assert_same_run(simulate_steps(chains, jobs, service_of(model, prefill_chunk_tokens=LONGEST_PROMPT)), whole)
    shorter = simulate_steps(chains, jobs, service_of(model, prefill_chunk_tokens=LONGEST_PROMPT // 2))
    assert (shorter.times.service_s != whole.times.service_s).any()


@every_model
@pytest.mark.parametrize("chunk_tokens", [1, 7, 64, 1000])
def test_chunks_of_a_job_alone_pass_all_servers_one_after_the_other(model, chunk_tokens):
    """Compare with a plain sum over chunks and servers.

    Each chunk pays a visit to every server, and chunks after the first one read the weights of a one-token step.
    """
    chains, _ = busy_chains(522)
    servers, head_s = chains.system.servers, 0.03
    prompt, further = 100, 5
    run = simulate_steps(
        chains, jobs_at([0.0], (prompt, further)), service_of(model, prefill_chunk_tokens=chunk_tokens, head_s=head_s)
    )
    path = list(zip(chains.chain(0).servers, chains.chain(0).blocks, strict=True))
    first_token_s = head_s
    for begin in range(0, prompt, chunk_tokens):
        tokens = min(chunk_tokens, prompt - begin)
        for j, blocks in path:
            once_s, input_token_s, output_token_s = servers.block_s[j]
            first_token_s += servers.communication_s[j, :2] @ (1, tokens)
            first_token_s += blocks * ((max(once_s, output_token_s) if begin else once_s) + input_token_s * tokens)
    token_s = head_s + sum(servers.communication_s[j, 2] + blocks * servers.block_s[j, 2] for j, blocks in path)
    assert run.times.first_token_s == pytest.approx([first_token_s], rel=1e-9)
    assert run.times.response_s == pytest.approx([first_token_s + further * token_s], rel=1e-9)
    assert run.times.parts["queue"] == pytest.approx([0.0], abs=1e-9)


def two_servers(slots: int, *block_s: tuple) -> Composition:
    """Return a chain of two servers that serves `slots` jobs at once without messages.

    Each server has one of 2 blocks.
    """
    servers = Servers([1 + slots * 0.1] * 2, [(0.0, 0.0, 0.0)] * 2, block_s)
    system = System(served_model(2), servers, 1.0, (1.0, 100.0, 10.0))
    hops = np.array([0, 1]), np.ones(2, np.int64), np.array([0, 2])
    return Composition.of_hops(system, Placement([0, 1], [1, 1]), *hops, np.array([slots])).under(JFFC)


@every_model
def test_servers_compute_every_token_of_every_prompt_once(model):
    """Let only prompt tokens take time, so that batches and chunks save none."""
    chain, jobs = two_servers(6, (0.0, 0.01, 0.0), (0.0, 0.03, 0.0)), token_jobs(np.random.default_rng(523), 200, 0.2)
    for further in ({}, {"prefill_chunk_tokens": 50}, {"handling_s": 0.01, "head_s": 0.01}):
        run = simulate_steps(chain, jobs, service_of(model, **further))
        assert busy_s(run) == pytest.approx(np.array([0.01, 0.03]) * jobs.lengths[:, 0].sum(), rel=1e-9)
        assert sum(run.times.parts.values()) == pytest.approx(run.times.service_s, rel=1e-9)


@every_model
def test_stacks_as_long_as_their_steps_in_turn_take_as_much_busy_time(model):
    """Let a stack of n one-token steps take n times as long as one."""
    chain, jobs = two_servers(6, (0.0, 0.0, 0.1), (0.0, 0.0, 0.3)), token_jobs(np.random.default_rng(524), 200, 0.2)
    run = simulate_steps(chain, jobs, service_of(model, batch_curve={2: 2.0, 3: 3.0}))
    assert busy_s(run) == pytest.approx(np.array([0.1, 0.3]) * jobs.lengths[:, 1].sum(), rel=1e-9)
    if model != "serial":
        saved = simulate_steps(chain, jobs, service_of(model))
        assert busy_s(saved).sum() < 0.99 * busy_s(run).sum()


def test_stacks_in_turn_keep_a_server_busy_as_long_as_single_steps():
    """Take full computation times.

    Decoding computes prompts alone, as single steps are.
    """
    single = one_server(5, (0.1, 0.0, 0.01), (0.01, 1e-4, 0.02))
    jobs = token_jobs(np.random.default_rng(506), 200, 2.0)
    services = Steps(), Steps(batching="decode", batch_curve={2: 2, 3: 3})
    serial, stacked = (simulate_steps(single, jobs, service) for service in services)
    assert busy_s(stacked) == pytest.approx(busy_s(serial))
    assert (stacked.times.parts["compute"] > serial.times.parts["compute"] + 1e-9).any()


def test_an_ample_budget_without_waiting_prompts_is_decoding():
    """Let prompts come while no one-token step waits.

    A job alone has a token every 1.125 s. The tokens of the first job are computed from 0 to 0.125 s of this period;
    those of the others arrive meanwhile and are computed together. Their prompts are computed from 0.78 s to 1.0625 s.
    """
    composition = one_server(9, (1.5, 0.0, 1.0), (0.125, 0.0, 0.0625))
    starts_s = [0.0, *(1.125 * n + phase for n, phase in ((3, 0.0625), (6, 0.03125), (9, 0.046875)))]
    jobs = jobs_at(starts_s, (8, 60), (8, 50), (8, 45), (8, 40))
    stacked, mixed = (
        simulate_steps(composition, jobs, service)
        for service in (Steps(batching="decode", batch_curve={2: 1.5}), TokenBudget(batch_curve={2: 1.5}))
    )
    assert_same_run(mixed, stacked)
    assert busy_s(stacked).sum() < 0.8 * stacked.times.parts["compute"].sum()


def test_a_prompt_is_cut_to_the_rest_of_the_budget():
    """Compute by hand how a prompt of 12 tokens is cut.

    There is one server with 2 blocks and a budget of 8 tokens.
    The first job's token is there at 3.05, after 1.1 + 0.6 + 1.1 for its prompt. The second job's prompt of 8 tokens is
    there at 1.8 and computed until 3.1. Then the token and 7 of the third job's 12 tokens (there at 0.3 + 2.2) take
    2 x (1 + 7 x 0.05) = 2.7. These 7 are back at 5.8 + 1.7. The server has kept the other 5, so its next message takes
    only 1.0, and they take 2 x (1 + 0.25) from 8.5 on.
    """
    composition = one_server(3, (2.0, 0.2, 0.5), (0.25, 0.05, 1.0))
    run = simulate_steps(composition, jobs_at([0.0, 0.0, 0.3], (1, 1), (8, 0), (12, 0)), TokenBudget(budget_tokens=8))
    assert run.times.first_token_s == pytest.approx([2.8, 3.1 + 1.8, 11.0 + 1.5 - 0.3])
    assert run.times.response_s == pytest.approx([5.8 + 0.25, 4.9, 12.2])
    assert run.times.parts["compute"] == pytest.approx([0.6 + 2.7, 1.3, 2.7 + 2.5])
    assert run.times.parts["queue"] == pytest.approx([0.05, 0.0, 0.6])
    assert run.times.parts["communication"] == pytest.approx([2.2 + 0.5, 3.6, 2.2 + 1.7 + 2.5])


def test_rounds_of_two_jobs_are_as_computed_by_hand():
    """Compute rounds by hand: visits take 0.2 s, the head 0.05 s.

    Prompts take 1 s and one-token steps 0.1 s.
    """
    composition = one_server(2, (0.2, 0.0, 0.2), (0.5, 0.0, 0.05))
    jobs = jobs_at([0.0, 0.1], (3, 2), (3, 2))
    run = simulate_steps(composition, jobs, Lockstep(head_s=0.05))
    # Round 1: a prompt; 0.2 + 1 + 0.05 = 1.25. Round 2: a token and the other prompt, which takes longer than the
    # token; 0.2 + 1 + 0.1 = 1.3. Round 3: two tokens; 0.2 + 0.1 + 0.1 = 0.4. Round 4: the last one; 0.35.
    assert run.times.first_token_s == pytest.approx([1.25, 2.45])
    assert run.times.response_s == pytest.approx([2.95, 3.2])
    assert run.times.parts["queue"] == pytest.approx([0.0, 1.15])
    assert run.times.parts["communication"] == pytest.approx([0.6, 0.6])
    assert busy_s(run) == pytest.approx([2.2])


def test_lockstep_serves_tokens_before_prompts_and_prompts_in_order():
    """Give 4 tokens a round to a job that decodes and to two prompts."""
    composition = one_server(3, (0.0, 0.0, 0.0), (0.5, 0.0, 0.5))
    jobs = jobs_at([0.0, 0.5, 0.6], (1, 5), (5, 0), (5, 0))
    times = simulate_steps(composition, jobs, Lockstep(budget_tokens=4)).times
    # Rounds of 1 s: the prompt of the first; then a token of it beside 3 tokens of the second, beside 2 and 1 of the
    # third, beside 3 of the third, beside the last one of the third.
    assert times.response_s == pytest.approx([6.0, 2.5, 4.4])


def test_a_host_takes_time_for_each_round_and_for_each_prompt():
    composition = one_server(2, (0.2, 0.0, 0.2), (0.5, 0.0, 0.05))
    jobs = jobs_at([0.0, 0.1], (1, 2), (1, 1))
    run = simulate_steps(composition, jobs, Lockstep(round_s=0.01, join_s=0.1))
    # Round 1: a prompt; 0.2 + 1 + 0.11. Round 2: a token and the other prompt; 1.31. Round 3: two tokens; 0.31.
    assert run.times.first_token_s == pytest.approx([1.31, 2.52])
    assert run.times.response_s == pytest.approx([2.93, 2.83])


def test_a_batch_of_a_new_shape_takes_round_trips_for_each_block():
    """Check rounds of a prompt, of a token, of two, and one like it."""
    composition = one_server(2, (0.2, 0.0, 0.2), (0.5, 0.0, 0.5))
    servers = replace(composition.system.servers, orchestrator_rtt_s=np.array([0.1]))
    composition = replace(composition, system=replace(composition.system, servers=servers))
    alone_s, shape_s = 1.2, 3 * 2 * 0.1  # of a round; three round trips of 0.1 s for each of two blocks
    times = simulate_steps(composition, jobs_at([0.0], (1, 3)), Lockstep(shape_round_trips=3)).times
    assert times.first_token_s == pytest.approx([alone_s + shape_s])
    assert times.response_s == pytest.approx([4 * alone_s + 2 * shape_s])
    assert times.parts["communication"] == pytest.approx([4 * 0.2 + 2 * shape_s])
    # Rounds: a prompt; a token and a prompt; two tokens; one token.
    times = simulate_steps(composition, jobs_at([0.0, 0.1], (1, 3), (1, 1)), Lockstep(shape_round_trips=3)).times
    assert times.response_s == pytest.approx([4 * (alone_s + shape_s), 3 * (alone_s + shape_s) - 0.1])


def test_new_shapes_need_known_round_trips_over_the_orchestrator():
    composition = one_server(2, (0.2, 0.0, 0.2), (0.5, 0.0, 0.5))
    with pytest.raises(NotApplicableError, match="shape_round_trips = 3: counts round trips between"):
        simulate_steps(composition, jobs_at([0.0], (1, 3)), Lockstep(shape_round_trips=3))


@pytest.mark.parametrize(("stacking", "stacks"), [("all_waiting", 10), ("share_of_slots", 20)])
def test_share_of_slots_stacks_as_many_steps_as_slots_over_blocks(stacking, stacks):
    """Let four jobs decode together after a long prompt, 10 tokens each.

    They use 4 slots for one of 2 blocks each, so 2 of their steps are at each server at a time. The first stack has 3
    steps, as the job of the long prompt has a slot, too; the next has only the fourth.
    """
    jobs = jobs_at([0.0] * 5, *[(1, 10)] * 4, (1000, 0))
    service = Steps(batching="decode", stacking=stacking)
    run = simulate_steps(two_servers(5, (0.0, 1e-3, 0.5), (1e-9, 0.0, 1e-9)), jobs, service)
    assert busy_s(run)[0] == pytest.approx(1.004 + 0.5 * stacks, abs=1e-6)


def test_the_head_computes_one_token_at_a_time():
    """Let the head take longer than the servers, so that it is always busy."""
    composition = one_server(3, (0.0, 0.0, 0.0), (0.0, 1e-3, 1e-3))
    jobs = jobs_at([0.0] * 3, *[(1, 4)] * 3)
    for service in (Steps(head_s=1.0), TokenBudget(head_s=1.0), Lockstep(head_s=1.0)):
        run = simulate_steps(composition, jobs, service)
        assert run.times.response_s.max() == pytest.approx(15.0, abs=0.05)
        assert run.utilisation[0] < 0.01


def test_handling_delays_the_next_step_and_not_the_job_itself():
    composition = one_server(2, (0.2, 0.0, 0.2), (0.5, 0.0, 0.05))
    alone, handled = (
        simulate_steps(composition, jobs_at([0.0], (1, 3)), Steps(handling_s=seconds)) for seconds in (0.0, 0.1)
    )
    assert handled.times.response_s == pytest.approx(alone.times.response_s)
    assert busy_s(handled) == pytest.approx(busy_s(alone))
    both = simulate_steps(composition, jobs_at([0.0, 0.0], (1, 0), (1, 0)), Steps(handling_s=0.1))
    assert both.times.response_s == pytest.approx([1.2, 2.3])
