"""The service model of lockstep, in which all busy slots of a chain advance together."""

from dataclasses import dataclass
from typing import ClassVar

from system.service.mixed_batches import MixedBatches
from system.service.model import Loop


@dataclass(frozen=True, kw_only=True)
class Lockstep(MixedBatches):
    """Rounds in which one batch of all jobs on a chain passes its servers, as in llama.cpp.

    Each round has one token of every job that decodes, and prompts in order of arrival up to `budget_tokens` tokens in
    all. The next round begins when the batch has passed the last server, so the servers of a chain compute in turn.
    Chains that share a server queue there. The batch pays one visit to each server.

    `round_s`, `join_s` and `shape_round_trips` are those of `system.service.model.StepRules`. An engine that prepares
    its servers for each new shape of a batch needs round trips for that; a shape is the numbers of one-token steps and
    of prompt tokens.
    """

    loop: ClassVar[Loop] = "rounds"

    round_s: float = 0.0
    join_s: float = 0.0
    shape_round_trips: float = 0.0
