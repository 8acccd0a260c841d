"""The executor of a server: it turns requests into answers, on one device and one computation at a time."""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

import numpy as np
import torch
from torch import Tensor

from serving.blocks.graphs import CudaCapture, DecodeGraphs
from serving.blocks.slab import Slab
from serving.blocks.stack import Stack
from serving.server.device import require_fits, torch_device
from serving.server.device_streams import CudaStream, DeviceStream, Launched, stream_of
from serving.server.model import block_of
from serving.server.spec import Pace, ServerSpec
from serving.transport.messages import Kind, Message, ReceivedMessage
from system import InputError
from system.checks import require
from system.code.compiler import suited
from system.code.signatures import run_error
from system.code.source import file_of
from system.limits import STEP_S
from system.service.linear_law import STEP, no_time

WARM_UP_STEPS = 3


@dataclass(frozen=True)
class Computation:
    """Steps that are computed together, and the answers to steps that cannot be computed."""

    refusals: list[Message]
    requests: list[ReceivedMessage]
    hidden: list[Tensor]
    launched: Launched | None  # None if all steps are refused
    free_s: float  # time at which the previous computation was finished
    begin_s: float
    paced_s: float  # least duration


class StepExecutor:
    """An executor of steps with a server's blocks and cache slots.

    It computes on `stream`; `now_s` is the clock of all its times.
    """

    def __init__(self, spec: ServerSpec, stream: DeviceStream | None = None) -> None:
        self.spec, self.now_s = spec, time.perf_counter
        self._device, self._dtype = torch_device(spec.device), getattr(torch, spec.dtype)
        require_fits(spec, self._device, self._dtype)
        self._stream = stream or stream_of(self._device)
        blocks = [block_of(spec, b) for b in range(spec.first_block, spec.first_block + spec.block_count)]
        slab = Slab(spec.decoder, spec.cache_slot_count, spec.cache_tokens, self._dtype, self._device)
        graphs = None
        if spec.cuda_graphs and isinstance(self._stream, CudaStream):
            graphs = DecodeGraphs(blocks, slab, CudaCapture(self._device, self._stream.stream))
        self.stack = Stack(blocks, spec.first_block, slab, graphs)
        self._step_s = None if spec.pace is None else step_function(spec.pace)
        self._warm_up()
        self.forget()

    def forget(self) -> None:
        """Close all jobs, free all cache slots, and reset all counts."""
        self.stack.close_all()
        self.busy_s, self.steps = 0.0, 0
        self._token_step_s: list[float] = []  # durations of one-token steps that were computed alone
        self._free_s = self.now_s()  # time at which the last computation was finished

    def control(self, message: Message) -> Message:
        """Return the answer to a message that is not a step."""
        try:
            return Message(message.kind, message.job, text=self._obey(message))
        except InputError as error:
            return Message(message.kind, message.job, text=str(error), refused=True)

    def _obey(self, message: Message) -> str:
        """Do what a message asks and return the answer's text."""
        if message.kind == Kind.READY:
            return self.spec.to_json()
        if message.kind == Kind.STATS:
            return self._stats()
        if message.kind == Kind.OPEN:
            self.stack.open(message.job, message.first_block, message.block_count)
        else:
            self.stack.close(message.job)
        return ""

    def compute(self, requests: Sequence[ReceivedMessage]) -> list[Message]:
        """Compute steps together and return their answers."""
        computation = self.begin(requests)
        if computation.launched is not None:
            computation.launched.wait()
            left_s = computation.begin_s + computation.paced_s - self.now_s()
            if left_s > 0:
                time.sleep(left_s)
        return self.finish(computation)

    def begin(self, requests: Sequence[ReceivedMessage]) -> Computation:
        """Launch the computation of steps.

        On a CUDA device it goes on after this returns.
        """
        refusals = {id(request): refusal for request in requests if (refusal := self.refusal(request.message))}
        accepted = [request for request in requests if id(request) not in refusals]
        messages = [request.message for request in accepted]
        hidden: list[Tensor] = []
        try:
            launched, paced_s, begin_s = None, self._paced_s(messages), self.now_s()
        except InputError as error:
            refused = [_refused(message, error) for message in messages]
            return Computation([*refusals.values(), *refused], [], [], None, self._free_s, self.now_s(), 0.0)
        if messages:
            inputs = [message.hidden for message in messages if message.hidden is not None]
            hidden, launched = self._stream.launch(partial(self._run, messages), inputs)
        return Computation(list(refusals.values()), accepted, hidden, launched, self._free_s, begin_s, paced_s)

    def is_finished(self, computation: Computation) -> bool:
        """Return whether a computation has ended and kept its pace."""
        if computation.launched is None:
            return True
        return computation.launched.done() and self.now_s() >= computation.begin_s + computation.paced_s

    def finish(self, computation: Computation) -> list[Message]:
        """Return the answers of a finished computation and count it."""
        if computation.launched is None:
            return computation.refusals
        compute_s, self._free_s = computation.launched.compute_s(), self.now_s()
        lasted_s = self._free_s - computation.begin_s
        held_s = lasted_s - compute_s if computation.paced_s > compute_s else 0.0
        self.busy_s, self.steps = self.busy_s + lasted_s, self.steps + len(computation.requests)
        if [request.message.prompt for request in computation.requests] == [False]:
            self._token_step_s.append(compute_s)
        answers = [
            Message(
                *(Kind.STEP, request.message.job),
                computed_tokens=request.message.tokens,
                hidden=rows,
                queue_s=max(computation.free_s - request.received_s, 0.0),
                compute_s=compute_s,
                held_s=held_s,
            )
            for request, rows in zip(computation.requests, computation.hidden, strict=True)
        ]
        return [*computation.refusals, *answers]

    def refusal(self, message: Message, already_waits: bool = False) -> Message | None:
        """Return a step's refusal, or None if it can be computed."""
        try:
            require(not already_waits, "job", message.job, "its step waits already; await the answer before the next")
            self._require_possible(message)
        except InputError as error:
            return _refused(message, error)
        return None

    def _require_possible(self, message: Message) -> None:
        self.stack.require_step(message.job, message.first_block, message.block_count, message.tokens)
        hidden, dtype, width = message.hidden, self._dtype, self.spec.decoder.hidden_size
        if hidden is None or hidden.shape[2] != width or hidden.dtype != dtype:
            sent = "none" if hidden is None else f"{hidden.shape[2]} of {hidden.dtype}"
            raise InputError(
                f"hidden states of job {message.job} = {sent}: this server computes {width} of {dtype}; send those"
            )
        is_sound = message.prompt or message.tokens == 1
        remedy = "a step after the prompt has one; mark those of a prompt as such"
        require(is_sound, f"tokens of job {message.job}", message.tokens, remedy)

    def _run(self, messages: Sequence[Message]) -> list[Tensor]:
        """Return the hidden states (1, n, h) after each step.

        Prompts are computed one after another, and then one-token steps as a batch. No kernel computes both.
        """
        hidden = {m.job: m.hidden.to(self._device) for m in messages if m.hidden is not None}
        singles = [message.job for message in messages if not message.prompt]
        batch = singles if len(singles) > 1 else []
        after = {job: self.stack.step(job, states) for job, states in hidden.items() if job not in batch}
        if batch:
            rows = self.stack.decode(batch, torch.cat([hidden[job] for job in batch])).split(1)
            after |= zip(batch, rows, strict=True)
        return [after[m.job][:, -1:] if m.last_only else after[m.job] for m in messages]

    def _paced_s(self, messages: Sequence[Message]) -> float:
        """Return the least duration of steps that are computed together."""
        if self._step_s is None or not messages:
            return 0.0
        prompts = [message for message in messages if message.prompt]
        prompt_tokens = sum(message.tokens for message in prompts)
        cached_tokens = sum(self.stack.cached_tokens(message.job) for message in prompts)
        blocks = max(message.block_count for message in messages)
        return self._step_s(prompt_tokens, cached_tokens, len(messages) - len(prompts), blocks)

    def _warm_up(self) -> None:
        """Make torch's first calls, which take longer; try the pace."""
        spec = self.spec
        if self._step_s is not None:
            for prompt_tokens in (0, 1, spec.cache_tokens):
                self._step_s(prompt_tokens, 0, int(prompt_tokens == 0), spec.block_count)
        count = min(spec.block_count, spec.cache_slot_count)
        hidden = torch.randn(1, max(1, spec.cache_tokens // 2), spec.decoder.hidden_size).to(self._dtype)
        for tokens in (hidden.shape[1], *(1,) * WARM_UP_STEPS):
            step = Message(Kind.STEP, hidden=hidden[:, :tokens], block_count=count, prompt=tokens > 1)
            self.stack.open(0, spec.first_block, count)
            self._stream.launch(partial(self._run, [step]), [])[1].wait()
            self.stack.close(0)

    def _stats(self) -> str:
        slab, stack = self.stack.slab, self.stack
        counts = {"free_slots": slab.free_count, "jobs": stack.job_count, "slab_bytes": slab.byte_count}
        return json.dumps({**counts, "busy_s": self.busy_s, "steps": self.steps, **self._token_steps()})

    def _token_steps(self) -> dict[str, float]:
        """Return the mean and coefficient of variation of one-token steps computed alone.

        The dictionary is empty after fewer than two such steps. Steps through different blocks are not distinguished.
        """
        if len(self._token_step_s) < 2:
            return {}
        mean_s = statistics.fmean(self._token_step_s)
        return {"token_step_mean_s": mean_s, "token_step_cv": statistics.stdev(self._token_step_s) / mean_s}


def _refused(message: Message, error: InputError) -> Message:
    return Message(Kind.STEP, message.job, text=str(error), refused=True)


def step_function(pace: Pace) -> Callable[[int, int, int, int], float]:
    """Return a pace's function of prompt tokens, cached tokens, step count and block count.

    Its values are the seconds that steps computed together take. Raises `InputError` if the service model's module is
    not installed on this server, and at a step for which the model gives no time.
    """
    require(
        file_of(pace.module) is not None, "pace", pace.module, "is no module of this project; copy it to this server"
    )
    try:
        step_s = getattr(import_module(pace.module), pace.function)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"pace = {pace.module}.{pace.function}: is not on this server ({error}); copy it there"
        ) from error
    compiled, arrays = suited(step_s, STEP), (np.array(pace.block_s, float), np.array(pace.settings, float))

    def paced_s(prompt_tokens: int, cached_tokens: int, steps: int, blocks: int) -> float:
        try:
            answer_s = float(compiled(float(prompt_tokens), float(cached_tokens), steps, blocks, *arrays))
        except Exception as error:
            raise run_error("service", pace.function, error) from error
        if not 0 <= answer_s < np.inf:
            raise no_time(compiled, answer_s)
        require(answer_s <= STEP_S, f"pace {pace.function}", f"{answer_s:g} s", f"a step may last {STEP_S:g} s at most")
        return answer_s

    return paced_s
