"""The service model of a token budget, in which servers compute one-token steps and prompts together."""

from dataclasses import dataclass
from typing import ClassVar

from system.service.model import Loop, StepRules
from system.service.shared_servers import SharedServers


@dataclass(frozen=True, kw_only=True)
class TokenBudget(SharedServers):
    """Mixed batches of at most `budget_tokens` tokens, as vLLM makes them.

    All waiting one-token steps come first; the rest of the budget goes to prompts in order of arrival. A prompt that
    does not fit is cut into chunks. No engine has been measured against this model yet.
    """

    loop: ClassVar[Loop] = "steps"

    budget_tokens: int = 2048
    prefill_chunk_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rules  # noqa: B018  # checks its fields

    @property
    def rules(self) -> StepRules:
        """Return the rules by which servers choose steps."""
        return StepRules(
            batching="mixed",
            budget_tokens=self.budget_tokens,
            prefill_chunk_tokens=self.prefill_chunk_tokens,
            handling_s=self.handling_s,
            head_s=self.head_s,
        )
