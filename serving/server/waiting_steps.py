"""The steps that wait at a server. One rule for all transports decides which requests are taken."""

from collections import deque

from serving.server.executor import StepExecutor
from serving.transport.messages import Kind, Message, ReceivedMessage


class WaitingSteps:
    """Steps that wait for their computation, at most one of each open job.

    So however many steps an orchestrator sends, no more wait than there are cache slots.
    """

    def __init__(self, executor: StepExecutor) -> None:
        self._executor = executor
        self._steps: deque[ReceivedMessage] = deque()
        self._jobs: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._steps)

    def answer(self, request: ReceivedMessage) -> list[Message]:
        """Return the answers to a request; none yet for a step that waits."""
        message = request.message
        if message.kind != Kind.STEP:
            return [self._executor.control(message)]
        refusal = self._executor.refusal(message, already_waits=message.job in self._jobs)
        if refusal is not None:
            return [refusal]
        self._jobs.add(message.job)
        self._steps.append(request)
        return []

    def take(self) -> list[ReceivedMessage]:
        """Remove and return the steps to compute next.

        These are the first step alone if it has several tokens, else the first one-token steps, as many at most as are
        computed together.
        """
        chosen = [self._steps.popleft()]
        if chosen[0].message.tokens == 1:
            chosen += self._next_tokens(self._executor.most_together - 1)
        self._jobs -= {step.message.job for step in chosen}
        return chosen

    def _next_tokens(self, most: int) -> list[ReceivedMessage]:
        """Remove and return the first one-token steps, `most` at most."""
        chosen: list[ReceivedMessage] = []
        waiting: deque[ReceivedMessage] = deque()
        for step in self._steps:
            (chosen if step.message.tokens == 1 and len(chosen) < most else waiting).append(step)
        self._steps = waiting
        return chosen
