"""Settings of service models in which one-token steps and prompts are computed in one batch."""

from dataclasses import dataclass
from typing import ClassVar

from system.service.model import Batching
from system.service.shared_servers import SharedServers


@dataclass(frozen=True, kw_only=True)
class MixedBatches(SharedServers):
    """Batches of at most `budget_tokens` tokens: one-token steps first, then prompts.

    A prompt has at most `prefill_chunk_tokens` tokens in a batch.
    """

    batching: ClassVar[Batching] = "mixed"

    budget_tokens: int = 2048
    prefill_chunk_tokens: int | None = None
