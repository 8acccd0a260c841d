"""A server in the orchestrator's own process: for tests, and for several servers on one device."""

import time
from collections import deque

from serving.server.executor import Computation, StepExecutor
from serving.server.server import next_steps
from serving.transport.messages import Kind, Message, ReceivedMessage


class LocalConnection:
    """A step begins when the orchestrator asks for answers, and is there when it asks after its end; nothing is copied.

    On a CPU a step has ended when it has begun. On a device that computes by itself, other servers begin meanwhile.
    """

    readable = None
    unsent = False

    def __init__(self, executor: StepExecutor) -> None:
        self._executor = executor
        self._steps: deque[ReceivedMessage] = deque()
        self._computation: Computation | None = None
        self._answers: list[Message] = []

    @property
    def busy(self) -> bool:
        return bool(self._steps or self._answers or self._computation)

    def send(self, *messages: Message) -> None:
        for message in messages:
            if message.kind == Kind.STEP:
                self._steps.append(ReceivedMessage(message, time.perf_counter()))
            else:
                self._answers.append(self._executor.control(message))

    def flush(self) -> None:
        """Nothing waits."""

    def receive(self) -> list[Message]:
        executor = self._executor
        if self._computation is None and self._steps:
            self._computation = executor.begin(next_steps(self._steps, executor.most_together))
        if self._computation is not None and executor.is_finished(self._computation):
            self._answers += executor.finish(self._computation)
            self._computation = None
        answers, self._answers = self._answers, []
        return answers

    def close(self) -> None:
        """It ends with its owner."""
