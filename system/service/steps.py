"""The service model of step queues, in which the steps of jobs queue at the servers."""

from dataclasses import dataclass
from typing import ClassVar

from system.checks import require_one_of
from system.service.model import Loop, Stacking, StepRules
from system.service.shared_servers import SharedServers


@dataclass(frozen=True, kw_only=True)
class Steps(SharedServers):
    """Jobs as a step for the prompt and a step for each further token, which queue at servers in order of arrival.

    `batching` is `serial` or `decode`. It, `stacking` and `prefill_chunk_tokens` are those of
    `system.service.model.StepRules`.
    """

    loop: ClassVar[Loop] = "steps"

    batching: str = "serial"
    stacking: Stacking = "all_waiting"
    prefill_chunk_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(("serial", "decode"), batching=self.batching)
        self.rules  # noqa: B018  # checks its fields

    @property
    def rules(self) -> StepRules:
        """Return the rules by which servers choose steps."""
        return StepRules(
            batching=self.batching,  # type: ignore[arg-type]
            stacking=self.stacking,
            prefill_chunk_tokens=self.prefill_chunk_tokens,
            handling_s=self.handling_s,
            head_s=self.head_s,
        )
