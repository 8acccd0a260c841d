"""A server process: takes in requests between computations, one computation at a time."""

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
    def receive(self, wait: bool) -> ReceivedMessage | None:
        """The next request; without `wait` None if there is none yet. Raises `ConnectionClosedError` at the end."""

    def send(self, *messages: Message) -> None: ...


def serve(spec: ServerSpec, port: Port) -> None:
    """Answer until the orchestrator goes; one that asks a server that cannot serve is told why."""
    with suppress(ConnectionClosedError):
        try:
            worker = _worker(spec)
        except InputError as error:
            refuse(port, error)
        else:
            _answer(worker, port)


def serve_for_ever(spec: ServerSpec, port: Port) -> None:
    """Answer one orchestrator after the other, each with all slots free."""
    worker = _worker(spec)
    while True:
        with suppress(ConnectionClosedError):
            _answer(worker, port)
        worker.forget()


def refuse(port: Port, error: InputError) -> None:
    """The sentence is for the first who asks."""
    port.receive(wait=True)
    port.send(Message(Kind.READY, text=str(error), refused=True))


def _worker(spec: ServerSpec) -> StepExecutor:
    torch.set_num_threads(spec.threads)
    return StepExecutor(spec)


def _answer(worker: StepExecutor, port: Port) -> None:
    steps: deque[ReceivedMessage] = deque()
    while True:
        _take_in(port, steps, worker)
        port.send(*worker.compute(next_steps(steps, worker.most_together)))


def _take_in(port: Port, steps: deque[ReceivedMessage], worker: StepExecutor) -> None:
    """Answer what needs no computation and line up the steps; waits until there is one."""
    while (request := port.receive(wait=not steps)) is not None:
        if request.message.kind == Kind.STEP:
            steps.append(request)
        else:
            port.send(worker.control(request.message))


def next_steps(steps: deque[ReceivedMessage], most: int) -> list[ReceivedMessage]:
    """Take out the first step; if it is of one token, with others of one token behind it, `most` in all."""
    if steps[0].message.tokens != 1:
        return [steps.popleft()]
    chosen: list[ReceivedMessage] = []
    left: list[ReceivedMessage] = []
    for step in steps:
        (chosen if step.message.tokens == 1 and len(chosen) < most else left).append(step)
    steps.clear()
    steps += left
    return chosen
