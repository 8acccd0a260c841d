"""Times of rounds in lockstep, by the service model's own function, and the rates that follow from them.

With b busy slots a round without a prompt takes S(b), and a round in which one of the b jobs computes its prompt
instead takes P(b). A job needs one round for its prompt and M further ones. Each round with another shape than the one
before it takes a time z in addition. P has it already; the round after a prompt has it, too, and so has the round after
a job has left others behind, unless a waiting job takes its slot. While b jobs are always there, each of them joins
once, so they leave at the rate

    μ(b) = b / ((M + 1) S(b) + b (P(b) - S(b) + z)).

A job that comes to a chain with b busy slots waits for the end of their round, which takes r(b) = E[R²]/(2 E[R]) in the
mean over all kinds of rounds R.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from system.composition import Composition
from system.service.model import ServiceModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Times of the rounds of one chain; the entry b - 1 of each array is for b busy slots."""

    token_s: Floats  # (c,), S
    prompt_s: Floats  # (c,), P
    bare_prompt_s: Floats  # (c,), the part of P that does not grow with the tokens of the prompt
    shape_s: float  # z
    rounds: float  # M + 1
    prompt_cv2: float  # squared coefficient of variation of prompts

    @cached_property
    def full_rate_per_s(self) -> float:
        """Return the rate at which jobs leave while all slots are busy and jobs wait."""
        return float(self._rate_per_s(0.0)[-1])

    @cached_property
    def rate_per_s(self) -> Floats:
        """Return (c,) the rates at which jobs leave while no job waits.

        Of b jobs b - 1 found others on the chain and waited for the end of a round. All leave others behind, but for
        the last one.
        """
        busy = self._busy
        return self._rate_per_s((busy - 1) / busy * self.begin_s + np.where(busy > 1, busy * self.shape_s, 0.0))

    @cached_property
    def begin_s(self) -> Floats:
        """Return (c,) the mean waits for the end of a round, by the busy slots with the job's own."""
        alone_s, join_s, bare_s = self.token_s[:-1], self._join_s[:-1], (self.bare_prompt_s - self.token_s)[:-1]
        prompts = np.minimum(self._busy[:-1] / self.rounds, 1.0)  # in a round
        shapes = np.minimum(2 * prompts, 1.0 - prompts)  # rounds after a prompt and after a job has left
        mean_s = alone_s + prompts * join_s + shapes * self.shape_s
        join_s2 = join_s**2 + self.prompt_cv2 * (join_s - bare_s) ** 2
        square_s2 = alone_s * (2 * mean_s - alone_s) + prompts * join_s2 + shapes * self.shape_s**2
        return np.concatenate([[0.0], square_s2 / (2 * mean_s)])

    def first_token_s(self, rate_per_s: float) -> tuple[Floats, float]:
        """Return the mean times from start to first token at a rate of jobs.

        The first ones (c,) are of jobs that start at once, by the busy slots with the job's own; the other is of jobs
        that waited. Prompts of jobs that start in the same round are computed with the job's own.
        """
        beside = rate_per_s * 2 * self.begin_s  # a job finds rounds of twice the mean wait for their end
        at_once_s = self.begin_s + self.prompt_s + beside * self._join_s
        others = min((self.token_s.size - 1) / self.rounds, 1.0)
        return at_once_s, float(self.prompt_s[-1] + others * self._join_s[-1])

    @property
    def _busy(self) -> NDArray[np.int64]:
        """Return (c,) the numbers of busy slots."""
        return np.arange(1, self.token_s.size + 1)

    @property
    def _join_s(self) -> Floats:
        """Return (c,) what a prompt adds to a round."""
        return self.prompt_s - self.token_s

    def _rate_per_s(self, beside_s: Floats | float) -> Floats:
        """Return (c,) the rates if b jobs take `beside_s` in all beside their rounds and prompts."""
        busy = self._busy
        all_s = beside_s + self.rounds * self.token_s + busy * (self._join_s + self.shape_s)
        return np.asarray(busy / all_s)


def rounds_of(chains: Composition, prompt_cv: float, service: ServiceModel) -> list[Rounds]:
    """Return the rounds of each chain for its mean job.

    The service model has one speed (`factors`). Times on direct links count as if their coefficients were in the same
    order on each of them.
    """
    seconds = _RoundTimes(chains, service)
    return [_rounds(seconds, k, prompt_cv) for k in range(len(chains))]


class _RoundTimes:
    """The times of rounds on the chains of a composition."""

    def __init__(self, chains: Composition, service: ServiceModel) -> None:
        self.chains, self._service = chains, service
        self._settings, (self._slowdown,) = service.settings_of(chains.system.servers), service.factors(None)
        no_blocks = np.zeros_like(chains.hop_charged)
        self._travel_s = chains.system.path_coefficients_s(chains.hop_server, no_blocks, chains.hop_start)

    def __call__(self, k: int, prompt_tokens: float, steps: int) -> float:
        """Return the time of a round on chain k with a prompt, or 0 tokens of it, and one-token steps."""
        chains, block_s = self.chains, self.chains.system.servers.block_s
        hops = slice(chains.hop_start[k], chains.hop_start[k + 1])
        computed_s = sum(
            self._service.step_s(prompt_tokens, 0.0, steps, blocks, block_s[j], self._settings[j])
            for blocks, j in zip(chains.hop_charged[hops].tolist(), chains.hop_server[hops].tolist(), strict=True)
        )
        rules, prompts = self._service.rules, int(prompt_tokens > 0)
        round_s, join_s = getattr(rules, "round_s", 0.0), getattr(rules, "join_s", 0.0)
        host_s = round_s + rules.head_s * (steps + prompts) + join_s * prompts
        trip_s = _trip_s(self._travel_s[k], prompt_tokens, steps)
        return float(trip_s + self._slowdown * computed_s + host_s + self.shape_s(k) * prompts)

    def shape_s(self, k: int) -> float:
        """Return what a round with a new shape takes in addition on chain k."""
        round_trips = getattr(self._service.rules, "shape_round_trips", 0.0)
        rtt_s = self.chains.system.servers.orchestrator_rtt_s
        if round_trips == 0 or rtt_s is None:
            return 0.0
        hops = slice(self.chains.hop_start[k], self.chains.hop_start[k + 1])
        return float(round_trips * self.chains.hop_blocks[hops] @ rtt_s[self.chains.hop_server[hops]])


def _rounds(seconds: _RoundTimes, k: int, prompt_cv: float) -> Rounds:
    """Return the rounds of chain k."""
    _, prompt_tokens, further_tokens = seconds.chains.system.mean_job
    others = range(int(seconds.chains.capacity[k]))
    token_s = np.array([seconds(k, 0.0, 1 + b) for b in others])
    prompt_s, double_s = (np.array([seconds(k, n * prompt_tokens, b) for b in others]) for n in (1, 2))
    return Rounds(
        token_s=token_s,
        prompt_s=prompt_s,
        bare_prompt_s=2 * prompt_s - double_s,
        shape_s=seconds.shape_s(k),
        rounds=1 + further_tokens,
        prompt_cv2=prompt_cv**2,
    )


def _trip_s(travel_s: Floats, prompt_tokens: float, steps: int) -> float:
    """Return the time of a batch on links with coefficients `travel_s`; it travels as one message."""
    once_s, token_s = 0.0, min(travel_s[1], travel_s[2])
    if prompt_tokens > 0:
        once_s = travel_s[0]
    if steps > 0:
        once_s = max(once_s, travel_s[2] - token_s)
    return float(once_s + travel_s[1] * prompt_tokens + token_s * steps)
