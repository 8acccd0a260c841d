"""What plain simulators share: servers, the times of steps that are computed together, and served jobs."""

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evaluators.admission.requests import RequestAdmission
from system.layout import Layout
from system.service.model import ServiceModel
from workloads.jobs import Jobs

HEAD = -1  # the orchestrator, which computes the head
BETWEEN_FACTORS = 7919  # in the list of factors, from the first one of a server to the first one of the next


def stack_ratio(points: Mapping[int, float], steps: int) -> float:
    """Return the time of a stack over that of one step, by straight lines."""
    known, slope = sorted({1: 1.0, **points}.items()), 0.0
    for (size, ratio), (larger, ratio_there) in pairwise(known):
        slope = (ratio_there - ratio) / (larger - size)
        if steps <= larger:
            return ratio + slope * (steps - size)
    return known[-1][1] + max(slope, 0.0) * (steps - known[-1][0])


def message_s(coefficients_s: Sequence[float], prompt_tokens: float, steps: int) -> float:
    """Return the time of one message with tokens of prompts and one-token steps.

    The activations of a further token take as long as those of a prompt's token, and the rest of its time counts once.
    """
    once_s, token_s, further_s = coefficients_s
    if not prompt_tokens and steps == 1:
        return further_s
    further_token_s = min(token_s, further_s)
    fixed_s = [once_s] * bool(prompt_tokens or not steps) + [further_s - further_token_s] * bool(steps)
    return max(fixed_s) + token_s * prompt_tokens + further_token_s * steps


@dataclass
class Served:
    """One served job: its start, first token and end, and the parts of its service time."""

    start_s: float
    first_token_s: float = math.nan
    end_s: float = math.nan
    compute_s: float = 0.0
    queue_s: float = 0.0
    communication_s: float = 0.0


class Computer:
    """A server, with the time at which it is free and the factors of its computations."""

    def __init__(self, block_s: Sequence[float], points: Mapping[int, float], factors: list[float], begin: int) -> None:
        self._block_s, self._points = block_s, points
        self._factors, self._next = factors, begin
        self.free_at_s, self.busy_s = -math.inf, 0.0

    def computation_s(self, blocks: int, prompt_tokens: float, cached_tokens: float, steps: int) -> float:
        """Return the time of its next computation.

        The part of a prompt that does not depend on its tokens hides the one-token steps beside it, or hides in them.
        """
        once_s, input_token_s, output_token_s = self._block_s
        fixed_s = once_s if prompt_tokens else 0.0
        if steps or cached_tokens:
            fixed_s = max(fixed_s, output_token_s * stack_ratio(self._points, max(steps, 1)))
        factor = self._factors[self._next % len(self._factors)]
        self._next += 1
        return blocks * (fixed_s + input_token_s * prompt_tokens) * factor

    def compute(self, begin_s: float, seconds: float, handling_s: float) -> float:
        """Compute from `begin_s` on, and return the end."""
        self.busy_s += seconds
        self.free_at_s = begin_s + seconds + handling_s
        return begin_s + seconds


def computers_of(layout: Layout, service: ServiceModel, rng: np.random.Generator | None) -> list[Computer]:
    """Return the servers of a layout under a service model with a batch curve."""
    servers, factors = layout.system.servers, service.factors(rng).tolist()
    curve = getattr(service, "batch_curve")  # noqa: B009  # of all service models but that of equation (2)
    curves = servers.batch_curves if curve == "measured" else [curve] * len(servers)
    return [
        Computer(servers.block_s[j].tolist(), points, factors, BETWEEN_FACTORS * j) for j, points in enumerate(curves)
    ]


class PlainSimulation:
    """What plain simulators of steps share: events in a heap, an admission, servers, and the head as one more."""

    def __init__(
        self, layout: Layout, jobs: Jobs, service: ServiceModel, rng: np.random.Generator | None = None
    ) -> None:
        self._rules, self._jobs, self._admission = service.rules, jobs, RequestAdmission(layout, jobs)
        self._servers, self._is_direct = layout.system.servers, layout.system.forwarding == "direct"
        self._computers = computers_of(layout, service, rng)
        self._head = Computer((0.0, 0.0, 0.0), {}, [1.0], 0)
        self._events: list[tuple[float, int, int, int, Callable[[], None]]] = []
        self._event_count, self._now_s = 0, 0.0
        self.served: dict[int, Served] = {}

    @property
    def busy_s(self) -> list[float]:
        """Return (J,) the seconds in which each server computed."""
        return [computer.busy_s for computer in self._computers]

    def _ways_s(self, source: int, target: int, prompt_tokens: float, steps: int) -> list[float]:
        """Return the times of a message's ways from one server to another.

        It goes straight, or to the orchestrator and on. Either end may be the orchestrator.
        """
        if self._is_direct and HEAD not in (source, target):
            return [message_s(self._crossing_s(source, target), prompt_tokens, steps)]
        visits_s = [self._servers.communication_s[j].tolist() for j in (source, target) if j != HEAD]
        return [message_s(visit_s, prompt_tokens, steps) / 2 for visit_s in visits_s]

    def _crossing_s(self, source: int, target: int) -> list[float]:
        """Return the coefficients of a message straight from server to server."""
        overheads_s, activations_s, rtt_s = self._servers.overhead_s, self._servers.activation_s, self._servers.rtt_s
        assert overheads_s is not None
        assert activations_s is not None
        assert rtt_s is not None
        one_way_s, token_s = rtt_s[source, target] / 2, activations_s[source, target]
        ends_s = [(overheads_s[source, i] + overheads_s[target, i]) / 2 for i in range(3)]
        return [one_way_s + ends_s[0], token_s + ends_s[1], one_way_s + token_s + ends_s[2]]

    def _schedule(self, at_s: float, kind: int, number: int, event: Callable[[], None]) -> None:
        self._event_count += 1
        heapq.heappush(self._events, (at_s, kind, number, self._event_count, event))
