"""A server process: takes in requests between computations, one computation at a time."""

import signal
from collections import deque
from contextlib import suppress
from typing import Protocol

import torch

from evaluators.runtime.links import LinkClosedError
from evaluators.runtime.spec import ServerSpec
from evaluators.runtime.wire import Kind, Message, Request
from evaluators.runtime.worker import Worker, ready
from system import InputError


class Port(Protocol):
    def receive(self, wait: bool) -> Request | None:
        """The next request; without `wait` None if there is none yet. Raises `LinkClosedError` at the end."""

    def send(self, message: Message) -> None: ...


def serve(spec: ServerSpec, port: Port) -> None:
    """Answer until the orchestrator goes; what cannot be served from the start is said once, as READY, refused.

    Ctrl-C is the orchestrator's to handle: a server ends when its connection does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(spec.threads)
    try:
        worker = Worker(spec)
    except InputError as error:
        port.send(Message(Kind.READY, text=str(error), refused=True))
        return
    steps: deque[Request] = deque()
    with suppress(LinkClosedError):
        port.send(ready(worker))
        while True:
            _take_in(port, steps, worker)
            for answer in worker.compute(next_steps(steps, spec.batching == "decode")):
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
