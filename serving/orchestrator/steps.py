"""The steps of attempts: from server to server along a path, and from token to token."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from serving.blocks.embedding_and_head import EmbeddingAndHead
from serving.orchestrator.attempt import Attempt, Delays
from serving.orchestrator.links import ServerLinks
from serving.orchestrator.reactor import Reactor
from serving.transport.messages import Kind, Message


class Steps:
    """The attempts in service, each with one step on its way.

    With `chunk_tokens`, longer prompts are cut: each chunk passes all servers before the next one begins.
    """

    def __init__(
        self,
        reactor: Reactor,
        links: ServerLinks,
        embedding_and_head: EmbeddingAndHead,
        delays: Delays,
        chunk_tokens: int | None,
    ) -> None:
        self._reactor, self._links, self._delays = reactor, links, delays
        self._embedding_and_head, self._chunk_tokens = embedding_and_head, chunk_tokens
        self._completed: list[Attempt] = []  # attempts that passed their last server in this turn of the loop
        self.attempts: dict[int, Attempt] = {}

    def begin(self, attempt: Attempt) -> None:
        """Begin with an attempt's prompt at the first server."""
        self.attempts[attempt.number] = attempt
        self._send_prompt(attempt)

    def end(self, attempt: Attempt) -> None:
        """Free an attempt's cache slots at the servers that it has reached."""
        del self.attempts[attempt.number]
        for hop in attempt.path[: attempt.opened_hops]:
            self._links.put(hop.server, Message(Kind.CLOSE, attempt.number))

    def go_on(self, attempt: Attempt, answer: Message) -> None:
        """Go on after a server's answer; raise `WireError` if it is another step's."""
        attempt.record_answer(answer, self._reactor.now_s())
        self._after_half_trip(attempt, attempt.step_tokens, self._next_hop)

    def complete_tokens(self, on_token: Callable[[Attempt], None]) -> None:
        """Compute tokens of attempts that passed their last server.

        `on_token` is called at each. Attempts that are not done go on with their tokens.
        """
        completed = [attempt for attempt in self._completed if attempt.number in self.attempts]
        self._completed.clear()
        if completed:
            self._next_tokens(completed, on_token)

    def _next_tokens(self, attempts: Sequence[Attempt], on_token: Callable[[Attempt], None]) -> None:
        tokens = self._embedding_and_head.next_token(torch.cat([a.hidden for a in attempts if a.hidden is not None]))
        embedded = self._embedding_and_head.embed(tokens).split(1, dim=1)
        for attempt, token, after in zip(attempts, tokens.tolist(), embedded, strict=True):
            if attempt.in_prompt:
                attempt.first_token_s = self._reactor.now_s()
            attempt.tokens.append(token)
            on_token(attempt)
            if not attempt.done:
                self._first_hop(attempt, after)

    def _send_prompt(self, attempt: Attempt) -> None:
        """Begin with the next chunk of a prompt at the first server."""
        self._first_hop(attempt, self._embedding_and_head.embed(attempt.next_chunk(self._chunk_tokens)))

    def _first_hop(self, attempt: Attempt, embedded: Tensor) -> None:
        attempt.begin_step(embedded)
        self._visit(attempt)

    def _visit(self, attempt: Attempt) -> None:
        """Begin a visit to a server.

        It is half of the emulated round trip, the step, and the other half.
        """
        attempt.late_s = 0.0
        self._after_half_trip(attempt, attempt.unsent_tokens, self._send_step)

    def _after_half_trip(self, attempt: Attempt, tokens: int, then: Callable[[Attempt], None]) -> None:
        """Call `then` after half a round trip unless the attempt has ended."""
        trip_s = self._delays.of_step(attempt.current_hop.server, tokens, attempt.in_prompt)
        delay_s = trip_s / 2 - attempt.late_s  # a first half that was late shortens the second
        if delay_s <= 0:
            then(attempt)
            return
        begin_s = self._reactor.now_s()

        def arrived() -> None:
            if attempt.number in self.attempts:
                took_s = self._reactor.now_s() - begin_s
                attempt.parts.emulated_rtt_s += took_s
                attempt.late_s = took_s - delay_s
                then(attempt)

        self._reactor.call_at(begin_s + delay_s, arrived)

    def _send_step(self, attempt: Attempt) -> None:
        attempt.sent_s = self._reactor.now_s()
        messages = attempt.requests(self._reactor.begin_s + attempt.sent_s)
        self._links.ask(attempt.current_hop.server, attempt.sent_s, *messages)

    def _next_hop(self, attempt: Attempt) -> None:
        """Visit the next server, begin a chunk, or note a complete token."""
        if attempt.hop + 1 < len(attempt.path):
            attempt.hop += 1
            self._visit(attempt)
        elif attempt.prompt_remains:
            self._send_prompt(attempt)
        else:
            self._completed.append(attempt)
