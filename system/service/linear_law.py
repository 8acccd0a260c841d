"""The linear law of equation (2), compiled: the times of a job and of a step from three coefficients.

The time is linear in x = (1, input tokens, output tokens - 1). The first two coefficients give the time of the prompt,
the third that of each further token.
"""

# mypy: disable-error-code="no-untyped-def"

from typing import Any

from numba import float64, int64

from system.code.compiler import compiled
from system.code.signatures import NUMBERS, refusal, user_signature
from system.errors import InputError

# The signature of functions that return the seconds for which a server computes steps together. Arguments: tokens of
# prompts, or 0; tokens of these prompts that were computed before; number of one-token steps beside the prompts; the
# most blocks that any of them runs; (3,) coefficients of one block; settings of the service model at this server. The
# function can only read these arrays, and every index is checked.
STEP = user_signature(
    "service",
    "prompt_tokens cached_tokens steps blocks block_s settings",
    float64(float64, float64, int64, int64, NUMBERS, NUMBERS),
)


@compiled
def prompt_s(once_s, input_token_s, input_tokens):
    """Return the time of a prompt."""
    return once_s + input_token_s * input_tokens


@compiled
def job_s(once_s, input_token_s, output_token_s, size, input_tokens, further_tokens):
    """Return a job's time until its first token and its whole time."""
    first_token_s = size * prompt_s(once_s, input_token_s, input_tokens)
    return first_token_s, first_token_s + size * output_token_s * further_tokens


@compiled(STEP)
def step_alone_s(prompt_tokens, cached_tokens, steps, blocks, block_s, settings):
    """Return the time of a step that is computed alone."""
    if prompt_tokens > 0:
        return blocks * prompt_s(block_s[0], block_s[1], prompt_tokens)
    return blocks * block_s[2]


def no_time(step_s: Any, answer_s: float) -> InputError:
    """Return the error for a step without a valid time."""
    return refusal(step_s, STEP, f"answers {answer_s:g} s for a step; must answer a finite time of 0 s or more")
