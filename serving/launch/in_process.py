"""A server in the orchestrator's own process, for tests and for several servers on one device."""

import time

from serving.server.executor import Computation, StepExecutor
from serving.server.waiting_steps import WaitingSteps
from serving.transport.messages import Message, ReceivedMessage


class LocalConnection:
    """A connection to an executor in this process, without copies.

    Waiting steps begin in `receive`, and a later `receive` returns their answers once they have ended. On a CPU a step
    ends within the call that begins it. On a CUDA device other servers can begin steps meanwhile.
    """

    readable = None
    unsent = False

    def __init__(self, executor: StepExecutor) -> None:
        self._executor = executor
        self._steps = WaitingSteps(executor)
        self._computation: Computation | None = None
        self._answers: list[Message] = []

    @property
    def busy(self) -> bool:
        """Return whether there are steps to compute or answers to receive."""
        return bool(self._steps or self._answers or self._computation)

    def send(self, *messages: Message) -> None:
        """Queue steps and answer other messages."""
        for message in messages:
            self._answers += self._steps.answer(ReceivedMessage(message, time.perf_counter()))

    def flush(self) -> None:
        """Return at once, as nothing waits to be written."""

    def receive(self) -> list[Message]:
        """Begin waiting steps if possible, and return the answers so far."""
        executor = self._executor
        if self._computation is None and self._steps:
            self._computation = executor.begin(self._steps.take())
        if self._computation is not None and executor.is_finished(self._computation):
            self._answers += executor.finish(self._computation)
            self._computation = None
        answers, self._answers = self._answers, []
        return answers

    def close(self) -> None:
        """Leave the executor to its owner."""
