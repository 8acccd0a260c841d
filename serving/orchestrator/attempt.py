"""The request of a job, and one attempt to serve it on a path."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.admission.requests import Hop, Start
from serving.orchestrator.job_record import Parts, ServedJob
from serving.transport.messages import Kind, Message, WireError
from system import InputError
from system.service.linear_law import prompt_s


@dataclass(frozen=True)
class Delays:
    """The round trips and bandwidths to emulate at each of J servers.

    The columns are seconds for a prompt, for each of its tokens, and for each further token.
    """

    coefficients_s: NDArray[np.float64]  # (J, 3)

    def of_step(self, server: int, tokens: int, first: bool) -> float:
        """Return the seconds to emulate for one step.

        The step is a prompt or a chunk of one, of `tokens` tokens, if `first`, else a single further token.
        """
        once_s, token_s, further_s = self.coefficients_s[server]
        return float(prompt_s(once_s, token_s, float(tokens)) if first else further_s)


@dataclass(frozen=True)
class Request:
    """A prompt and the number of tokens to generate."""

    prompt: Tensor  # (input tokens,)
    output_tokens: int


@dataclass(frozen=True, eq=False)
class Job:
    """A request with its record, and what to call at its tokens and at its end.

    `on_token(count, token)` is called with the number of tokens so far; a job that begins again counts again from 1.
    `on_end(number)` is called when the record is complete and the job's number is free.
    """

    request: Request
    record: ServedJob
    on_end: Callable[[int], object]
    on_token: Callable[[int, int], object] = lambda count, token: None


def random_prompts(vocabulary_size: int, lengths: NDArray[np.int64], rng: np.random.Generator) -> list[Request]:
    """Return n requests with prompts of random tokens.

    `lengths` (n, 2) are input tokens and output tokens - 1. Raises `InputError` if a job has no input token.
    """
    too_short = np.flatnonzero(lengths[:, 0] < 1)
    if too_short.size:
        job = too_short[0]
        raise InputError(f"input tokens of job {job} = {lengths[job, 0]}: must be at least 1")
    return [
        Request(torch.from_numpy(rng.integers(vocabulary_size, size=int(prompt))), int(further) + 1)
        for prompt, further in lengths
    ]


class Attempt:
    """One attempt to serve a job on a path.

    Servers know an attempt by its number, so that answers to an earlier attempt at the same job can be told apart.
    """

    def __init__(self, number: int, start: Start, request: Request, start_s: float) -> None:
        self.number, self.job, self.path, self.chain = number, start.job, start.path, start.chain
        self.request, self.start_s = request, start_s
        self.tokens: list[int] = []
        self.hop = self.opened_hops = 0
        self.hidden: Tensor | None = None
        self.step_tokens = 0  # of the step that is on its way
        self.taken_tokens = 0  # of the prompt, by the first server
        self.sent_tokens = 0  # of the prompt, to the first server
        self.first_token_s = np.nan
        self.sent_s = self.late_s = 0.0
        self.is_at_server = False  # a server has its step and owes the answer
        self.is_cancelled = False
        self.parts = Parts()

    @property
    def current_hop(self) -> Hop:
        """Return the hop of the path that the job is at."""
        return self.path[self.hop]

    @property
    def in_prompt(self) -> bool:
        """Return whether no token exists yet, only the prompt."""
        return not self.tokens

    @property
    def done(self) -> bool:
        """Return whether all output tokens are there."""
        return len(self.tokens) == self.request.output_tokens

    @property
    def prompt_remains(self) -> bool:
        """Return whether the first server has not computed the whole prompt yet."""
        return self.taken_tokens < len(self.request.prompt)

    @property
    def unsent_tokens(self) -> int:
        """Return the step's tokens that are new to the current server.

        The first server has got those that it cut off the last chunk.
        """
        if self.in_prompt and self.hop == 0:
            return max(self.taken_tokens + self.step_tokens - self.sent_tokens, 0)
        return self.step_tokens

    def next_chunk(self, most: int | None) -> Tensor:
        """Return the next tokens of the prompt, `most` at most."""
        return self.request.prompt[self.taken_tokens :][:most]

    def begin_step(self, hidden: Tensor) -> None:
        """Begin a step at the first hop with these hidden states (1, n, h)."""
        self.hop, self.hidden, self.step_tokens = 0, hidden, hidden.shape[1]

    def requests(self, sent_s: float) -> list[Message]:
        """Return the messages of a visit to the current hop's server."""
        self.is_at_server = True
        if self.in_prompt and self.hop == 0:
            self.sent_tokens += self.unsent_tokens
        last_only = self.hop == len(self.path) - 1
        job_blocks = (self.number, self.current_hop.first_block, self.current_hop.blocks)
        step = Message(Kind.STEP, *job_blocks, last_only, self.in_prompt, hidden=self.hidden, sent_s=sent_s)
        if self.hop < self.opened_hops:
            return [step]
        self.opened_hops += 1
        return [Message(Kind.OPEN, *job_blocks), step]

    def record_answer(self, answer: Message, now_s: float) -> None:
        """Keep the hidden states of a step's answer and add up its times.

        Raises `WireError` if it is no answer to the step.
        """
        self._require_sound(answer)
        if self.in_prompt and self.hop == 0:
            self.taken_tokens += answer.computed_tokens
        parts, server_s = self.parts, answer.queue_s + answer.compute_s + answer.held_s
        parts.queue_s += answer.queue_s
        parts.compute_s += answer.compute_s
        parts.held_s += answer.held_s
        parts.transport_s += now_s - self.sent_s - server_s
        parts.hops += 1
        self.hidden, self.step_tokens = answer.hidden, answer.computed_tokens
        self.is_at_server = False

    def _require_sound(self, answer: Message) -> None:
        """Raise `WireError` if an answer has other tokens than its step.

        The first server may have cut a prompt.
        """
        computed, sent = answer.computed_tokens, self.step_tokens
        least = 1 if self.in_prompt and self.hop == 0 else sent
        returned = 1 if self.hop == len(self.path) - 1 else computed
        if not least <= computed <= sent or answer.tokens != returned:
            raise WireError(
                f"answer to a step of {sent} tokens = {computed} computed, {answer.tokens} returned: are not its own; "
                "run the same version of this program at both ends"
            )
