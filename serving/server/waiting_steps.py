"""The steps that wait at a server. One set of rules for all transports decides which requests are taken."""

from collections import deque
from dataclasses import replace

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
        """Remove and return the steps to compute next, by the rules of `system.service.model.StepRules`.

        A prompt that has been cut has only its first tokens.
        """
        spec, first = self._executor.spec, self._steps[0]
        if spec.budget_tokens is not None:
            chosen = self._within(spec.budget_tokens)
        elif spec.batching == "serial" or first.message.prompt:
            chosen = [first]
        else:
            chosen = self._one_token_steps(self._most_together())
        taken = {step.message.job for step in chosen}
        self._jobs -= taken
        self._steps = deque(step for step in self._steps if step.message.job not in taken)
        return chosen

    def _most_together(self) -> int:
        """Return how many one-token steps are computed together at most without a budget."""
        if self._executor.spec.stacking == "all_waiting":
            return len(self._steps)
        return max(1, -(-self._executor.stack.slab.used_count // self._executor.spec.decoder.block_count))

    def _one_token_steps(self, most: int) -> list[ReceivedMessage]:
        """Return the first one-token steps, `most` at most."""
        return [step for step in self._steps if not step.message.prompt][:most]

    def _within(self, budget_tokens: int) -> list[ReceivedMessage]:
        """Return one-token steps, and then prompts, with at most `budget_tokens` tokens.

        Prompts do not overtake each other. Only at the first hop can a prompt be cut, as all later servers must get the
        same chunks. There the first chunk is taken in any case, so that one-token steps cannot hold it up for ever.
        """
        steps, prompts = self._one_token_steps(budget_tokens), list[ReceivedMessage]()
        left = budget_tokens - len(steps)
        for step in (step for step in self._steps if step.message.prompt):
            may_be_cut = step.message.first_block == 0
            fits = left > 0 if may_be_cut else step.message.tokens <= left or not prompts
            if not fits:
                break
            prompts.append(_first_tokens(step, left) if may_be_cut else step)
            left -= prompts[-1].message.tokens
        return steps + prompts


def _first_tokens(step: ReceivedMessage, most: int) -> ReceivedMessage:
    """Return a prompt's step with its first `most` tokens."""
    message = step.message
    if message.hidden is None:
        return step
    return replace(step, message=replace(message, hidden=message.hidden[:, :most]))
