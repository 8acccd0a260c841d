"""A server in the orchestrator's own process: for tests, and for several servers on one device."""

import time
from collections import deque

from evaluators.runtime.server import next_steps
from evaluators.runtime.wire import Kind, Message, Request
from evaluators.runtime.worker import Worker, ready


class LocalLink:
    """A step is computed when the orchestrator asks for answers; nothing is copied."""

    readable = None
    unsent = False

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._steps: deque[Request] = deque()
        self._answers = [ready(worker)]

    @property
    def busy(self) -> bool:
        return bool(self._steps or self._answers)

    def send(self, message: Message) -> None:
        if message.kind == Kind.STEP:
            self._steps.append(Request(message, time.perf_counter()))
        else:
            self._answers.append(self._worker.control(message))

    def flush(self) -> None:
        """Nothing waits."""

    def receive(self) -> list[Message]:
        if self._steps:
            self._answers += self._worker.compute(next_steps(self._steps, self._worker.spec.batching == "decode"))
        answers, self._answers = self._answers, []
        return answers

    def close(self) -> None:
        """It ends with its owner."""
