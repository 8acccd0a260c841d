"""The interface of service models, the rules for how long servers take for jobs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from system.checks import require, require_at_most, require_count, require_not_negative, require_one_of
from system.limits import DELAY_S, ROUND_TRIPS, TOKENS
from system.servers import Servers

Loop = Literal["jobs", "steps", "rounds"]
Batching = Literal["serial", "decode", "mixed"]
Stacking = Literal["all_waiting", "share_of_slots"]


@dataclass(frozen=True, kw_only=True)
class StepRules:
    """The rules by which servers choose the steps that they compute together.

    - `batching`: `serial` computes one step at a time in order of arrival. `decode` computes prompts alone, and
      one-token steps that wait together as a stack if the first waiting step is one. `mixed` computes all waiting
      one-token steps and fills the rest of `budget_tokens` with prompts.
    - `stacking`: which waiting one-token steps `decode` stacks. `all_waiting` takes all. `share_of_slots` takes at most
      the number of steps that the server's jobs would have there at a time if all blocks took equally long (slots in
      use over L, rounded up). It throttles slow servers behind fast ones.
    - `prefill_chunk_tokens`: the most tokens of a prompt that are computed at once; None computes prompts whole. Every
      chunk passes all servers of the path before the next one begins.
    - `budget_tokens`: the most tokens that `mixed` computes at once.
    - `handling_s`: the seconds for which a server stays busy after each step, to send the answer and to receive
      messages. For the job itself they are part of its communication.
    - `head_s`: the seconds of the orchestrator for the head and the embedding of each token, one token at a time.
    - `round_s`, `join_s`: the seconds of a chain's host for each round, and for each prompt that it completes; only in
      rounds.
    - `shape_round_trips`: the round trips for each block of a server, beside the one of every visit, when a round has
      other numbers of tokens than the one before it; only in rounds.
    """

    batching: Batching = "serial"
    stacking: Stacking = "all_waiting"
    prefill_chunk_tokens: int | None = None
    budget_tokens: int | None = None
    handling_s: float = 0.0
    head_s: float = 0.0
    round_s: float = 0.0
    join_s: float = 0.0
    shape_round_trips: float = 0.0

    def __post_init__(self) -> None:
        require_one_of(get_args(Batching), batching=self.batching)
        require_one_of(get_args(Stacking), stacking=self.stacking)
        for name in ("prefill_chunk_tokens", "budget_tokens"):
            value = getattr(self, name)
            if value is not None:
                require_count(TOKENS, **{name: value})
        has_budget = self.budget_tokens is not None
        remedy = "belongs to batching = mixed; give it there and only there"
        require(has_budget == (self.batching == "mixed"), "budget_tokens", self.budget_tokens, remedy)
        for name in ("handling_s", "head_s", "round_s", "join_s"):
            require_not_negative(**{name: getattr(self, name)})
            require_at_most(DELAY_S, **{name: getattr(self, name)})
        require_not_negative(shape_round_trips=self.shape_round_trips)
        require_at_most(ROUND_TRIPS, shape_round_trips=self.shape_round_trips)


class ServiceModel(Protocol):
    """A rule for how long jobs take on servers, alone and beside each other (`conf/service`)."""

    @property
    def loop(self) -> Loop:
        """Return the name of the event loop that simulates this model.

        In `jobs`, a job takes the time of equation (2), whatever other jobs are in service. In `steps`, a job is one
        step for its prompt, or for each chunk of it, and one for each further token, and steps queue at each server. In
        `rounds`, the steps of all jobs on a chain pass its servers together, as one batch.
        """

    @property
    def step_s(self) -> Callable[..., float]:
        """Return the compiled function for the time of a computation (`system.service.linear_law.STEP`)."""

    def settings_of(self, servers: Servers) -> NDArray[np.float64]:
        """Return (J, n) the last argument of `step_s` at each of J servers.

        Raises `NotApplicableError` if the servers lack what the model needs.
        """

    @property
    def rules(self) -> StepRules:
        """Return the rules by which servers choose steps."""

    @property
    def request_delay_s(self) -> float:
        """Return the seconds of each request before its first hop.

        They are 0 unless the loop is `jobs`.
        """

    def factors(self, rng: np.random.Generator | None) -> NDArray[np.float64]:
        """Return the factors that multiply the times of successive computations.

        After the last factor the first is used again.
        """
