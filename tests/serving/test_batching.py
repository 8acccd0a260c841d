"""The rules by which a server chooses the waiting steps that it computes together, and what such a batch computes."""

import json
from dataclasses import replace

import pytest

from system import InputError
from system.code.compiler import compiled
from system.service.linear_law import STEP
from tests.support.project import NEEDS_RUNTIME
from tests.support.small_models import one_thread  # noqa: F401

torch = pytest.importorskip("torch", reason=NEEDS_RUNTIME)

from serving.server.executor import StepExecutor  # noqa: E402
from serving.server.spec import Pace, ServerSpec  # noqa: E402
from serving.server.waiting_steps import WaitingSteps  # noqa: E402
from serving.transport.messages import Kind, Message, ReceivedMessage  # noqa: E402
from tests.support import small_run  # noqa: E402

JOBS = 8
WIDTH = 72
FIRST, LATER = 0, 1  # servers of a chain


def executor_of(server=FIRST, pace=None, **rules):
    """Return a server of the small run, with open jobs 0, 1, ..."""
    spec = replace(small_run.specs(**rules)[server], cache_slot_count=2 * JOBS, pace=pace)
    executor = StepExecutor(spec)
    for job in range(JOBS):
        executor.control(Message(Kind.OPEN, job, spec.first_block, 2))
    return executor


def received(executor, job, tokens, seed=0):
    """Return a step of a prompt, or of one token if `tokens` is 0."""
    generator = torch.Generator().manual_seed(100 * seed + job)
    hidden = torch.randn(1, max(tokens, 1), WIDTH, generator=generator)
    step = Message(Kind.STEP, job, executor.spec.first_block, 2, prompt=tokens > 0, hidden=hidden)
    return ReceivedMessage(step, 0.0)


def batches(waiting, **rules):
    """Return the batches of steps, as pairs of job and prompt tokens.

    `waiting` has the prompt tokens of jobs 0, 1, ...; 0 for one further token.
    """
    executor = executor_of(**rules)
    steps, taken = WaitingSteps(executor), []
    for job, tokens in enumerate(waiting):
        assert steps.answer(received(executor, job, tokens)) == []
    while steps:
        batch = [step.message for step in steps.take()]
        taken.append([(message.job, message.tokens if message.prompt else 0) for message in batch])
    return taken


@pytest.mark.parametrize(
    ("waiting", "rules", "expected"),
    [
        ([0, 3, 0], {}, [[(0, 0)], [(1, 3)], [(2, 0)]]),
        # 16 of the slots are in use and the model has 4 blocks: 4 at most
        (
            [0] * 6,
            {"batching": "decode", "stacking": "share_of_slots"},
            [[(0, 0), (1, 0), (2, 0), (3, 0)], [(4, 0), (5, 0)]],
        ),
        ([0] * 6, {"batching": "decode"}, [[(job, 0) for job in range(6)]]),
        ([0, 3, 0, 0], {"batching": "decode"}, [[(0, 0), (2, 0), (3, 0)], [(1, 3)]]),
        ([3, 0, 0], {"batching": "decode"}, [[(0, 3)], [(1, 0), (2, 0)]]),
        # the last token of a prompt is no further token
        ([0, 1, 0], {"batching": "decode"}, [[(0, 0), (2, 0)], [(1, 1)]]),
        ([1, 1, 0], {"batching": "decode"}, [[(0, 1)], [(1, 1)], [(2, 0)]]),
    ],
    ids=str,
)
def test_serial_servers_and_servers_that_stack_take_steps_in_order(waiting, rules, expected):
    assert batches(waiting, **rules) == expected


@pytest.mark.parametrize(
    ("server", "waiting", "expected"),
    [
        (FIRST, [3, 0, 0], [[(1, 0), (2, 0), (0, 3)]]),
        (FIRST, [9, 0, 2], [[(1, 0), (0, 5)], [(2, 2)]]),
        (FIRST, [2, 3, 9, 1], [[(0, 2), (1, 3), (2, 1)], [(3, 1)]]),
        (FIRST, [0] * 7 + [4], [[(job, 0) for job in range(6)], [(6, 0), (7, 4)]]),
        (FIRST, [6, 1], [[(0, 6)], [(1, 1)]]),
        (LATER, [6, 0, 1], [[(1, 0), (0, 6)], [(2, 1)]]),
        (LATER, [9, 2], [[(0, 9)], [(1, 2)]]),
        (LATER, [2, 5, 1], [[(0, 2)], [(1, 5), (2, 1)]]),
        (LATER, [4, 0, 0, 1], [[(1, 0), (2, 0), (0, 4)], [(3, 1)]]),
    ],
    ids=str,
)
def test_a_budget_of_six_tokens_takes_one_token_steps_first_and_then_prompts(server, waiting, expected):
    assert batches(waiting, server=server, batching="mixed", budget_tokens=6) == expected


def test_a_mixed_batch_computes_what_its_steps_compute_alone():
    together, alone = executor_of(batching="mixed", budget_tokens=100), executor_of()
    for executor in (together, alone):
        for job in (0, 1, 2):
            executor.compute([received(executor, job, 4 + job)])
    steps = [received(together, job, tokens, seed=1) for job, tokens in ((3, 5), (0, 0), (1, 2), (2, 0), (4, 1))]
    answers = together.compute(steps)
    assert [answer.job for answer in answers] == [3, 0, 1, 2, 4]
    assert [answer.computed_tokens for answer in answers] == [5, 1, 2, 1, 1]
    assert len({answer.compute_s for answer in answers}) == 1
    for answer, step in zip(answers, steps, strict=True):
        (expected,) = alone.compute([step])
        torch.testing.assert_close(answer.hidden, expected.hidden, rtol=1e-5, atol=1e-5)


@compiled(STEP)
def arguments_s(prompt_tokens, cached_tokens, steps, blocks, block_s, settings):
    """Return a time that tells the arguments, a digit of each."""
    return (prompt_tokens + 100 * cached_tokens + 10_000 * steps + 100_000 * blocks + settings[0]) / 1e6


def test_the_pace_of_a_mixed_batch_is_asked_for_all_its_steps_together():
    pace = Pace(module=__name__, function="arguments_s", block_s=(0.0, 0.0, 0.0), settings=(3_000_000.0,))
    executor = executor_of(batching="mixed", budget_tokens=100, pace=pace)

    def paced_us(*steps):
        computation = executor.begin([received(executor, job, tokens) for job, tokens in steps])
        executor.finish(computation)
        return round(computation.paced_s * 1e6)

    assert paced_us((0, 7)) == 3_200_007
    assert paced_us((1, 4)) == 3_200_004
    assert paced_us((0, 0), (1, 0)) == 3_220_000
    # 8 tokens of job 0 are cached, 5 of job 1, and none of job 2
    assert paced_us((0, 5), (1, 6), (2, 9), (3, 0)) == 3_210_000 + 1300 + 20
    assert paced_us((0, 1)) == 3_200_000 + 1300 + 1  # one token of a prompt is not a further token


def test_only_one_token_steps_alone_count_as_such():
    executor = executor_of(batching="mixed", budget_tokens=100)
    for steps in ([(0, 1)], [(1, 3)], [(0, 0), (1, 0)], [(0, 0), (2, 2)]):
        executor.compute([received(executor, job, tokens) for job, tokens in steps])
    assert "token_step_mean_s" not in json.loads(executor.control(Message(Kind.STATS)).text)
    for _ in range(2):
        executor.compute([received(executor, 0, 0)])
    assert json.loads(executor.control(Message(Kind.STATS)).text)["token_step_mean_s"] > 0


def test_the_rules_of_a_server_travel_with_its_spec():
    spec = small_run.specs(batching="mixed", budget_tokens=64)[0]
    assert ServerSpec.from_json(spec.to_json()) == spec
    with pytest.raises(InputError, match="budget_tokens of server server_0 = 64: this run needs 32"):
        spec.require_serves(replace(spec, budget_tokens=32))
    decode = small_run.specs(batching="decode")[0]
    with pytest.raises(InputError, match="stacking of server server_0 = all_waiting: this run needs share_of_slots"):
        decode.require_serves(replace(decode, stacking="share_of_slots"))
