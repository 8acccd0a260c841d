"""The service model of lockstep, in which all busy slots of a chain advance together."""

from dataclasses import dataclass
from typing import ClassVar

from system.service.model import Loop, StepRules
from system.service.shared_servers import SharedServers


@dataclass(frozen=True, kw_only=True)
class Lockstep(SharedServers):
    """Rounds in which one batch of all jobs on a chain passes its servers, as in llama.cpp.

    Each round has one token of every job that decodes, and prompts in order of arrival up to `budget_tokens` tokens in
    all. The next round begins when the batch has passed the last server, so the servers of a chain compute in turn.
    Chains that share a server queue there. The batch pays one visit to each server.
    """

    loop: ClassVar[Loop] = "rounds"

    budget_tokens: int = 2048
    prefill_chunk_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rules  # noqa: B018  # checks its fields

    @property
    def rules(self) -> StepRules:
        """Return the rules by which a chain forms its batch."""
        return StepRules(
            batching="mixed",
            budget_tokens=self.budget_tokens,
            prefill_chunk_tokens=self.prefill_chunk_tokens,
            handling_s=self.handling_s,
            head_s=self.head_s,
        )
