"""Settings of service models in which one-token steps and prompts are computed in one batch."""

from dataclasses import dataclass

from system.service.model import StepRules
from system.service.shared_servers import SharedServers


@dataclass(frozen=True, kw_only=True)
class MixedBatches(SharedServers):
    """Batches of at most `budget_tokens` tokens: one-token steps first, then prompts.

    A prompt has at most `prefill_chunk_tokens` tokens in a batch.
    """

    budget_tokens: int = 2048
    prefill_chunk_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rules  # noqa: B018  # checks its fields

    @property
    def rules(self) -> StepRules:
        """Return the rules by which a batch is formed."""
        return StepRules(
            batching="mixed",
            budget_tokens=self.budget_tokens,
            prefill_chunk_tokens=self.prefill_chunk_tokens,
            handling_s=self.handling_s,
            head_s=self.head_s,
        )
