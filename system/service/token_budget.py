"""The service model of a token budget, in which servers compute one-token steps and prompts together."""

from dataclasses import dataclass
from typing import ClassVar

from system.service.mixed_batches import MixedBatches
from system.service.model import Loop


@dataclass(frozen=True, kw_only=True)
class TokenBudget(MixedBatches):
    """Mixed batches of at most `budget_tokens` tokens at each server, as vLLM makes them.

    All waiting one-token steps come first; the rest of the budget goes to prompts in order of arrival. A prompt that
    does not fit is cut into chunks. No engine has been measured against this model yet.
    """

    loop: ClassVar[Loop] = "steps"
