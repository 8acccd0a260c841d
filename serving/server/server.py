"""The loop of a server process: it reads requests between computations and computes one thing at a time."""

from collections import deque
from contextlib import suppress
from typing import Protocol

import torch

from serving.server.executor import StepExecutor
from serving.server.spec import ServerSpec
from serving.transport import ConnectionClosedError
from serving.transport.messages import Kind, Message, ReceivedMessage
from system import InputError


class Port(Protocol):
    """The server's end of a connection."""

    def receive(self, wait: bool) -> ReceivedMessage | None:
        """Return the next request.

        If there is none yet, wait for one if `wait` is true, else return None. Raises `ConnectionClosedError` when the
        orchestrator has gone.
        """

    def send(self, *messages: Message) -> None:
        """Send answers to the orchestrator."""


def serve(spec: ServerSpec, port: Port) -> None:
    """Answer requests until the orchestrator goes.

    If the server cannot serve, its answer to the first request is the reason.
    """
    with suppress(ConnectionClosedError):
        try:
            executor = _executor(spec)
        except InputError as error:
            refuse(port, error)
        else:
            _answer(executor, port)


def serve_for_ever(spec: ServerSpec, port: Port) -> None:
    """Answer one orchestrator after another; each finds all cache slots free."""
    executor = _executor(spec)
    while True:
        with suppress(ConnectionClosedError):
            _answer(executor, port)
        executor.forget()


def refuse(port: Port, error: InputError) -> None:
    """Answer the first request with the reason why the server cannot serve."""
    port.receive(wait=True)
    port.send(Message(Kind.READY, text=str(error), refused=True))


def _executor(spec: ServerSpec) -> StepExecutor:
    torch.set_num_threads(spec.threads)
    return StepExecutor(spec)


def _answer(executor: StepExecutor, port: Port) -> None:
    steps: deque[ReceivedMessage] = deque()
    while True:
        _read_requests(port, steps, executor)
        port.send(*executor.compute(next_steps(steps, executor.most_together)))


def _read_requests(port: Port, steps: deque[ReceivedMessage], executor: StepExecutor) -> None:
    """Answer requests that need no computation and queue steps.

    Waits until there is a step.
    """
    while (request := port.receive(wait=not steps)) is not None:
        if request.message.kind == Kind.STEP:
            steps.append(request)
        else:
            port.send(executor.control(request.message))


def next_steps(steps: deque[ReceivedMessage], most: int) -> list[ReceivedMessage]:
    """Remove and return the steps to compute next.

    These are the first step alone if it has several tokens, else the first one-token steps, `most` at most.
    """
    if steps[0].message.tokens != 1:
        return [steps.popleft()]
    chosen: list[ReceivedMessage] = []
    waiting: list[ReceivedMessage] = []
    for step in steps:
        (chosen if step.message.tokens == 1 and len(chosen) < most else waiting).append(step)
    steps.clear()
    steps += waiting
    return chosen
