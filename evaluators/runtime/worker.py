"""A server's work: from requests to answers, on one device, one computation at a time."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from evaluators.runtime.blocks.slab import Slab
from evaluators.runtime.blocks.stack import Stack
from evaluators.runtime.device import require_fits, torch_device
from evaluators.runtime.model import block_of
from evaluators.runtime.spec import ServerSpec
from evaluators.runtime.wire import Kind, Message, Request
from system import InputError

WARM_UP_STEPS = 3


class Worker:
    """Holds the blocks and the slab. `now_s` is the clock of all its times."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec, self.now_s = spec, time.perf_counter
        self._device, self._dtype = torch_device(spec.device), getattr(torch, spec.dtype)
        require_fits(spec, self._device, self._dtype)
        blocks = [block_of(spec, b) for b in range(spec.first_block, spec.first_block + spec.block_count)]
        slab = Slab(spec.architecture, spec.slot_count, spec.cache_tokens, self._dtype, self._device)
        self.stack = Stack(blocks, spec.first_block, slab)
        self.busy_s, self.steps = 0.0, 0
        self._warm_up()
        self._free_s = self.now_s()  # since when nothing is computed

    def control(self, message: Message) -> Message:
        """The answer to anything but a step."""
        try:
            if message.kind == Kind.OPEN:
                self.stack.open(message.job, message.first_block, message.block_count)
            elif message.kind == Kind.CLOSE:
                self.stack.close(message.job)
            return Message(message.kind, message.job, text=self._stats() if message.kind == Kind.STATS else "")
        except InputError as error:
            return Message(message.kind, message.job, text=str(error), refused=True)

    def compute(self, requests: Sequence[Request]) -> list[Message]:
        """The answers to steps that are computed together: one of any length, or several of one token each."""
        free_s, begin_s = self._free_s, self.now_s()
        messages = [request.message for request in requests]
        try:
            hidden = self._run(messages)
        except InputError as error:
            if len(requests) > 1:  # the others are not to blame
                return [answer for request in requests for answer in self.compute([request])]
            return [Message(Kind.STEP, messages[0].job, text=str(error), refused=True)]
        self._synchronize()
        compute_s = self.now_s() - begin_s
        held_s = self._hold(begin_s, messages)
        self._free_s = self.now_s()
        self.busy_s, self.steps = self.busy_s + self._free_s - begin_s, self.steps + len(requests)
        return [
            replace(
                Message(Kind.STEP, request.message.job, hidden=rows, compute_s=compute_s, held_s=held_s),
                queue_s=max(free_s - request.received_s, 0.0),
            )
            for request, rows in zip(requests, hidden, strict=True)
        ]

    def _run(self, messages: Sequence[Message]) -> list[Tensor]:
        """(1, n, h) of each."""
        hidden = [message.hidden.to(self._device) for message in messages if message.hidden is not None]
        if len(messages) > 1:
            return list(self.stack.decode([message.job for message in messages], torch.cat(hidden)).split(1))
        after = self.stack.step(messages[0].job, hidden[0])
        return [after[:, -1:] if messages[0].last_only else after]

    def _hold(self, begin_s: float, messages: Sequence[Message]) -> float:
        """Wait until the step has lasted as long as its pace says; how long that was."""
        due_s = begin_s + max(self._paced_s(message) for message in messages)
        computed_s = self.now_s()
        if due_s <= computed_s:
            return 0.0
        time.sleep(due_s - computed_s)
        return self.now_s() - computed_s

    def _paced_s(self, message: Message) -> float:
        once_s, token_s, further_s = self.spec.paced_step_s
        return message.block_count * (once_s + token_s * message.tokens if message.tokens > 1 else further_s)

    def _warm_up(self) -> None:
        """Torch's first calls take longer: they are made before anybody waits for them."""
        spec = self.spec
        count = min(spec.block_count, spec.slot_count)
        hidden = torch.randn(1, max(1, spec.cache_tokens // 2), spec.architecture.hidden_size).to(self._dtype)
        for tokens in (hidden.shape[1], *(1,) * WARM_UP_STEPS):
            step = Message(Kind.STEP, hidden=hidden[:, :tokens], block_count=count)
            self.stack.open(0, spec.first_block, count)
            self._run([step])
            self.stack.close(0)
        self._synchronize()

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.current_stream().synchronize()

    def _stats(self) -> str:
        slab, stack = self.stack.slab, self.stack
        counts = {"free_slots": slab.free_count, "jobs": stack.job_count, "slab_bytes": slab.byte_count}
        return json.dumps({**counts, "busy_s": self.busy_s, "steps": self.steps})


def ready(worker: Worker) -> Message:
    """What a server says when it can be asked."""
    return replace(worker.control(Message(Kind.STATS)), kind=Kind.READY)
