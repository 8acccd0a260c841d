"""The service model of step queues, in which the steps of jobs queue at the servers."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from system.checks import require_one_of
from system.service.model import Loop, Stacking
from system.service.shared_servers import SharedServers

Batching = Literal["serial", "decode"]


@dataclass(frozen=True, kw_only=True)
class Steps(SharedServers):
    """Jobs as a step for the prompt and a step for each further token, which queue at servers in order of arrival.

    `batching`, `stacking` and `prefill_chunk_tokens` are those of `system.service.model.StepRules`.
    """

    loop: ClassVar[Loop] = "steps"

    batching: Batching = "serial"
    stacking: Stacking = "all_waiting"
    prefill_chunk_tokens: int | None = None

    def __post_init__(self) -> None:
        require_one_of(get_args(Batching), batching=self.batching)
        super().__post_init__()
