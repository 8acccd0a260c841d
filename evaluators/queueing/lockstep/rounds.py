"""Times of rounds in lockstep, by the service model's own function, and the rates that follow from them.

With b busy slots a round takes S(b), and J(b) more with each prompt in it. A round with another shape than the one
before it takes a time z in addition: the round of a prompt, the one after it, and the one after a job has left. A job
needs one round for its prompt and M further ones, so a round has b/(M + 1) prompts in the mean, and b jobs leave at the
rate

    μ(b) = b / ((M + 1) D(b)),  D(b) = S(b) + b/(M + 1) J(b) + z · (share of rounds with a new shape).

`kinds` gives this share; jobs that come during a round join the next one together. A job that comes to a chain with b
busy slots waits for the end of their round, which takes E[R²]/(2 E[R]) in the mean over all rounds R.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from system.composition import Composition
from system.errors import NotApplicableError
from system.service.model import ServiceModel

Floats = NDArray[np.float64]

ITERATIONS = 100  # of the mean time of a round, which changes by less than a hundredth of a millionth then


class Kinds(NamedTuple):
    """Kinds of rounds with 1, 2, ..., c busy slots (c,): the shares and the times of each kind."""

    shares: tuple[Floats, Floats, Floats]  # with prompts, without but with a new shape, others
    times_s: tuple[Floats, Floats, Floats]

    @property
    def mean_s(self) -> Floats:
        """Return (c,) D, the mean times of rounds."""
        return np.asarray(sum(share * time_s for share, time_s in zip(*self, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """Times of the rounds of one chain; the entry b - 1 of each array is for b busy slots."""

    token_s: Floats  # (c,), S
    join_s: Floats  # (c,), J
    bare_join_s: Floats  # (c,), the part of J that does not grow with the tokens of a prompt
    shape_s: float  # z
    rounds: float  # M + 1
    prompt_cv2: float  # squared coefficient of variation of prompts

    @cached_property
    def full_rate_per_s(self) -> float:
        """Return the rate at which jobs leave while others wait."""
        return float((self._busy / (self.rounds * self._full.mean_s))[-1])

    @cached_property
    def rate_per_s(self) -> Floats:
        """Return (c,) the rates at which jobs leave while no job waits.

        Of b jobs b - 1 found others on the chain and waited for the end of a round. A single job finds none, so that
        only its own prompt and the round after it have a new shape.
        """
        busy, alone_s = self._busy, np.arange(self.token_s.size) * self.begin_s / self._busy
        all_s = alone_s + self.rounds * self._open.mean_s
        all_s[0] = self.rounds * self.token_s[0] + self.join_s[0] + min(2, self.rounds) * self.shape_s
        return np.asarray(busy / all_s)

    @cached_property
    def begin_s(self) -> Floats:
        """Return (c,) mean waits for the end of a round.

        They are by the busy slots with the job's own.
        """
        kinds = self._open
        prompts_s = self.join_s - self.bare_join_s  # of one prompt, exponential if its variation is 1
        squares_s2 = sum(share * time_s**2 for share, time_s in zip(*kinds, strict=True)) + (
            self._prompts * self.prompt_cv2 * prompts_s**2
        )
        return np.concatenate([[0.0], (squares_s2 / (2 * kinds.mean_s))[:-1]])

    @property
    def waited_first_token_s(self) -> float:
        """Return the mean time from start to first token of jobs that have waited."""
        others = float(self._prompts[-1]) * (1 - 1 / self.token_s.size)
        return float(self.token_s[-1] + self.shape_s + (1 + others) * self.join_s[-1])

    def first_token_s(self, rate_per_s: float) -> Floats:
        """Return (c,) the mean times from start to first token.

        They are of jobs that start at once, by the busy slots with the job's own, at a rate of jobs. Prompts of jobs
        that come in the same round are computed together, and a job finds rounds of twice the mean wait for their end.
        """
        prompts = 1 + rate_per_s * 2 * self.begin_s
        return np.asarray(self.begin_s + self.token_s + self.shape_s + prompts * self.join_s)

    @property
    def fixed_s(self) -> Floats:
        """Return (c,) the parts of service times that sizes do not change.

        It is of a job that starts at the end of a round.
        """
        return np.asarray(self.token_s + self.bare_join_s + min(2, self.rounds) * self.shape_s)

    @property
    def _busy(self) -> NDArray[np.int64]:
        """Return (c,) the numbers of busy slots."""
        return np.arange(1, self.token_s.size + 1)

    @property
    def _prompts(self) -> Floats:
        """Return (c,) the mean numbers of prompts in a round."""
        return self._busy / self.rounds

    @property
    def _leaving(self) -> Floats:
        """Return (c,) how likely a job leaves at the end of a round."""
        return np.asarray(1 - (1 - 1 / max(self.rounds, 1.0)) ** self._busy)

    @cached_property
    def _full(self) -> Kinds:
        """Return the kinds of rounds while jobs wait.

        A prompt joins as soon as a job leaves.
        """
        return self._settled(np.zeros_like(self.token_s), lambda *_: self._leaving)

    @cached_property
    def _open(self) -> Kinds:
        """Return the kinds of rounds while jobs come at random, as many as leave."""

        def joining(kinds: Kinds, time_s: Floats) -> Floats:
            return np.asarray(-np.expm1(-self._prompts / kinds.mean_s * time_s))

        return self._settled(self._leaving, joining)

    def _settled(self, leaving: Floats, joining: Callable[..., Floats]) -> Kinds:
        """Return the kinds of rounds, whose times and shares depend on each other."""
        kinds = self._kinds(self._leaving, self._leaving, self._leaving, leaving)
        for _ in range(ITERATIONS):
            joins = [joining(kinds, time_s) for time_s in kinds.times_s]
            kinds = self._kinds(joins[0], joins[1], joins[2], leaving)
        return kinds

    def _kinds(self, after_prompt: Floats, after_new: Floats, after_other: Floats, leaving: Floats) -> Kinds:
        """Return the kinds of rounds if prompts join with the given chances (c,).

        There is a chance for each kind that a prompt joins after it. Without one, the round after a prompt has a new
        shape, and the round after another kind has one if a job leaves.
        """
        joins = leaving * after_new + (1 - leaving) * after_other
        prompt = joins / ((1 - after_new) * (1 - after_prompt) + joins * (2 - after_prompt))
        rest = 1 - prompt * (2 - after_prompt)
        new = prompt * (1 - after_prompt) + leaving * rest
        prompt_s = self.token_s + self.shape_s + self.join_s * self._prompts / prompt
        return Kinds((prompt, new, 1 - prompt - new), (prompt_s, self.token_s + self.shape_s, self.token_s))


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
        """Return the time of a round on chain k.

        It has a prompt, unless that has 0 tokens, and one-token steps.
        """
        chains, block_s = self.chains, self.chains.system.servers.block_s
        hops = slice(chains.hop_start[k], chains.hop_start[k + 1])
        computed_s = sum(
            self._service.step_s(prompt_tokens, 0.0, steps, blocks, block_s[j], self._settings[j])
            for blocks, j in zip(chains.hop_charged[hops].tolist(), chains.hop_server[hops].tolist(), strict=True)
        )
        rules, prompts = self._service.rules, int(prompt_tokens > 0)
        host_s = rules.round_s + rules.head_s * (steps + prompts) + rules.join_s * prompts
        trip_s = _trip_s(self._travel_s[k], prompt_tokens, steps)
        return float(trip_s + self._slowdown * computed_s + host_s)

    def shape_s(self, k: int) -> float:
        """Return what a round with a new shape takes in addition on chain k."""
        round_trips, chains = self._service.rules.shape_round_trips, self.chains
        if round_trips == 0:
            return 0.0
        rtt_s, hops = chains.system.servers.orchestrator_rtt_s, slice(chains.hop_start[k], chains.hop_start[k + 1])
        if rtt_s is None or chains.system.forwarding != "hub":
            raise NotApplicableError(
                f"shape_round_trips = {round_trips:g}: counts round trips between servers and orchestrator; use "
                "forwarding=hub and a network with round trips"
            )
        return float(round_trips * chains.hop_blocks[hops] @ rtt_s[chains.hop_server[hops]])


def _rounds(seconds: _RoundTimes, k: int, prompt_cv: float) -> Rounds:
    """Return the rounds of chain k."""
    _, prompt_tokens, further_tokens = seconds.chains.system.mean_job
    others = range(int(seconds.chains.capacity[k]))
    token_s = np.array([seconds(k, 0.0, 1 + b) for b in others])
    join_s, double_s = (np.array([seconds(k, n * prompt_tokens, b) for b in others]) - token_s for n in (1, 2))
    return Rounds(
        token_s=token_s,
        join_s=join_s,
        bare_join_s=2 * join_s - double_s,
        shape_s=seconds.shape_s(k),
        rounds=1 + further_tokens,
        prompt_cv2=prompt_cv**2,
    )


def _trip_s(travel_s: Floats, prompt_tokens: float, steps: int) -> float:
    """Return the time of a batch, one message, on links with these coefficients."""
    once_s, token_s = 0.0, min(travel_s[1], travel_s[2])
    if prompt_tokens > 0:
        once_s = travel_s[0]
    if steps > 0:
        once_s = max(once_s, travel_s[2] - token_s)
    return float(once_s + travel_s[1] * prompt_tokens + token_s * steps)
