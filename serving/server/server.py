"""The loop of a server process: it reads requests between computations and computes one thing at a time."""

from contextlib import suppress
from typing import Protocol

import torch

from serving.server.executor import StepExecutor
from serving.server.spec import ServerSpec
from serving.server.waiting_steps import WaitingSteps
from serving.transport import ConnectionClosedError
from serving.transport.messages import Kind, Message, ReceivedMessage
from system import InputError


class Port(Protocol):
    """The server's end of a connection."""

    def allow(self, body_bytes: int, slot_count: int) -> None:
        """Limit the bytes of a message's body, and the requests that may wait."""

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
            executor = _executor(spec, port)
        except InputError as error:
            refuse(port, error)
        else:
            _answer(executor, port)


def serve_for_ever(spec: ServerSpec, port: Port) -> None:
    """Answer one orchestrator after another; each finds all cache slots free."""
    executor = _executor(spec, port)
    while True:
        with suppress(ConnectionClosedError):
            _answer(executor, port)
        executor.forget()


def refuse(port: Port, error: InputError) -> None:
    """Answer the first request with the reason why the server cannot serve."""
    port.receive(wait=True)
    port.send(Message(Kind.READY, text=str(error), refused=True))


def _executor(spec: ServerSpec, port: Port) -> StepExecutor:
    port.allow(spec.largest_body_bytes, spec.cache_slot_count)
    torch.set_num_threads(spec.threads)
    return StepExecutor(spec)


def _answer(executor: StepExecutor, port: Port) -> None:
    steps = WaitingSteps(executor)
    while True:
        while (request := port.receive(wait=not steps)) is not None:
            port.send(*steps.answer(request))
        port.send(*executor.compute(steps.take()))
