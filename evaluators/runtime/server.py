"""A server process: takes in requests between computations, one computation at a time."""

from collections import deque
from contextlib import suppress
from typing import Protocol

import torch

from evaluators.runtime.links import LinkClosedError
from evaluators.runtime.spec import ServerSpec
from evaluators.runtime.wire import Kind, Message, Request
from evaluators.runtime.worker import Worker
from system import InputError


class Port(Protocol):
    def receive(self, wait: bool) -> Request | None:
        """The next request; without `wait` None if there is none yet. Raises `LinkClosedError` at the end."""

    def send(self, message: Message) -> None: ...


def serve(spec: ServerSpec, port: Port) -> None:
    """Answer until the orchestrator goes; one that asks a server that cannot serve is told why."""
    with suppress(LinkClosedError):
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
        with suppress(LinkClosedError):
            _answer(worker, port)
        worker.forget()


def refuse(port: Port, error: InputError) -> None:
    """The sentence is for the first who asks."""
    port.receive(wait=True)
    port.send(Message(Kind.READY, text=str(error), refused=True))


def _worker(spec: ServerSpec) -> Worker:
    torch.set_num_threads(spec.threads)
    return Worker(spec)


def _answer(worker: Worker, port: Port) -> None:
    steps: deque[Request] = deque()
    while True:
        _take_in(port, steps, worker)
        for answer in worker.compute(next_steps(steps, worker.spec.batching == "decode")):
            port.send(answer)


def _take_in(port: Port, steps: deque[Request], worker: Worker) -> None:
    """Answer what needs no computation and line up the steps; waits until there is one."""
    while (request := port.receive(wait=not steps)) is not None:
        if request.message.kind == Kind.STEP:
            steps.append(request)
        else:
            port.send(worker.control(request.message))


def next_steps(steps: deque[Request], together: bool) -> list[Request]:
    """The first step; if it is of one token and such are computed `together`, all others of one token as well."""
    first = steps.popleft()
    if not together or first.message.tokens > 1:
        return [first]
    others = [step for step in steps if step.message.tokens == 1]
    waiting = [step for step in steps if step.message.tokens > 1]
    steps.clear()
    steps += waiting
    return [first, *others]
