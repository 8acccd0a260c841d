"""The time of a message to a server and back without the server's own time: the rest of a hop."""

import select
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from hardware_profiles.profiler.points import Row, Timing, time_points
from hardware_profiles.profiler.scope import Scope
from serving.launch.fleet import Fleet
from serving.server.spec import DtypeName, ServerSpec
from serving.transport import Connection
from serving.transport.messages import Kind, Message
from system import InputError
from system.models.decoder import Decoder

START_S = 120.0  # a server may take this long to load torch and its weights
ANSWER_S = 60.0
SHORT_RUNS = 5  # of each message per round
JOB = 0


class Relay:
    """A server with one block, which is sent steps as an orchestrator sends them.

    Answers are as long as requests.
    """

    def __init__(self, connection: Connection, spec: ServerSpec) -> None:
        self._connection, self._spec = connection, spec

    def point(self, tokens: int) -> Timing:
        """Return the timing of a step of `tokens` tokens."""
        hidden = torch.randn(1, tokens, self._spec.decoder.hidden_size).to(getattr(torch, self._spec.dtype))
        step = Message(Kind.STEP, JOB, block_count=1, prompt=tokens > 1, hidden=hidden)
        return Timing("relay", (tokens, hidden.nbytes), lambda: self.answer(step), SHORT_RUNS)

    def clock(self, run: Callable[[], object]) -> float:
        """Return a step's round-trip time minus the server's own time.

        The step is the only one of its job.
        """
        self.answer(Message(Kind.OPEN, JOB, first_block=0, block_count=1))
        begin_s = time.perf_counter()
        answer = run()
        taken_s = time.perf_counter() - begin_s
        self.answer(Message(Kind.CLOSE, JOB))
        assert isinstance(answer, Message)
        return taken_s - answer.compute_s - answer.queue_s - answer.held_s

    def answer(self, message: Message) -> Message:
        """Send a message and return its answer.

        Raises `InputError` if the server refuses or does not answer.
        """
        connection = self._connection
        connection.send(replace(message, sent_s=time.perf_counter()))
        while not (answers := connection.receive()):
            self._wait(connection)
        if answers[0].refused:
            raise InputError(answers[0].text)
        return answers[0]

    def _wait(self, connection: Connection) -> None:
        """Wait until bytes can be read, or written if some are unsent."""
        if connection.readable is None:
            return
        descriptors = [connection.readable]
        readable, writable, _ = select.select(descriptors, descriptors if connection.unsent else [], [], ANSWER_S)
        connection.flush()
        if not readable and not writable:
            raise InputError(f"server {self._spec.name}: no answer in {ANSWER_S:g} s; look at its output")


def relay_rows(
    decoder: Decoder,
    scope: Scope,
    dtype: DtypeName,
    device: str,
    start: Callable[[Sequence[ServerSpec]], Fleet],
) -> list[Row]:
    """Return relay rows for a single token and for the scope's lengths.

    A row is (tokens, bytes, median s, P10 s, P90 s), with the bytes of one way.
    """
    spec = ServerSpec(
        name="relay",
        decoder=replace(decoder, block_count=1),
        first_block=0,
        block_count=1,
        cache_slot_count=1,
        cache_tokens=scope.longest,
        dtype=dtype,
        device=device,
    )
    with start([spec]) as fleet:
        fleet.wait_until_ready([spec], START_S)
        relay = Relay(fleet.connections[0], spec)
        points = [relay.point(tokens) for tokens in (1, *scope.lengths)]
        return time_points(points, relay.clock, scope.warm_up, scope.rounds)["relay"]
