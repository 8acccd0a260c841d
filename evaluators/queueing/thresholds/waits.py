"""The waiting times under thresholds, from the Markov chain of a job that waits.

How long a job waits depends on later arrivals, because they decide when slow chains are used. So its wait is the time
that the chain of its states takes to the job's start (`states`). That chain is uniformised: its events come at one
rate Λ, of which some change nothing. Let a share a_m of all jobs wait, or be in the stage after the wait, once m events
have passed since their arrival. Then P(wait + stage > t) = Σ a_m P(m events in t), and no term is negative.
"""

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from evaluators.queueing.chains import RatedChains
from evaluators.queueing.exact_response import quantile
from evaluators.queueing.thresholds.states import Listed, Rules, Tagged, tagged_moves, waits_of
from system.errors import NotApplicableError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REST = 1e-15  # share of all jobs whose start is left out
MOST_EVENTS = 200_000


class _Starts(NamedTuple):
    """Where waiting jobs start, by the number of events since their arrival, 0 to N."""

    rate_per_s: float  # Λ
    share: Floats  # (N + 1, K) of all jobs, fastest chain first

    @property
    def waiting(self) -> Floats:
        """Return (N + 1,) shares that wait after each event."""
        return self.share[::-1].sum(axis=1).cumsum()[::-1] - self.share.sum(axis=1)

    def in_stage(self, stage_rate_per_s: Floats) -> Floats:
        """Return (N + 1, K) shares in the later stage.

        Its rates (K,) are at most Λ; it begins when the wait ends.
        """
        stays, present = 1 - stage_rate_per_s / self.rate_per_s, self.share.copy()
        for events in range(1, len(present)):
            present[events] += stays * present[events - 1]
        return present


@dataclass(frozen=True)
class ThresholdWaits:
    """Waits of jobs under thresholds; all but the mean need a system whose states can be listed."""

    probability: float
    mean_s: float
    chains: RatedChains = field(repr=False)
    thresholds: Ints = field(repr=False)  # (K,), fastest chain first
    _present: dict[bytes, tuple[float, Floats, Floats]] = field(default_factory=dict, repr=False)

    def tail(self, time_s: float) -> float:
        """Return P(waiting time > `time_s`)."""
        if time_s == 0:
            return self.probability
        starts = self._starts
        events, weight = _poisson(starts.rate_per_s * time_s)
        known = events < len(starts.share)
        return float(weight[known] @ starts.waiting[events[known]])

    def quantile_s(self, q: float) -> float:
        """Return the waiting time at the quantile `q`."""
        return quantile(self.tail, q, self.mean_s)

    def stage_tail(self, time_s: float, stage_rate_per_s: Floats) -> float:
        """Return P(a job waits, and wait + stage > `time_s`)."""
        rate = stage_rate_per_s[self.chains.input_index]
        key = rate.tobytes()
        if key not in self._present:
            starts = self._starts if rate.max() <= self._starts.rate_per_s else self._starts_at(float(rate.max()))
            present = starts.in_stage(rate)
            self._present[key] = starts.rate_per_s, present, starts.waiting + present.sum(axis=1)
        event_rate, present, either = self._present[key]
        events, weight = _poisson(event_rate * time_s)
        late = np.maximum(events - len(either) + 1, 0)[:, None]
        stays = (1 - rate / event_rate) ** late @ present[-1]
        return float(weight @ np.where(late[:, 0] > 0, stays, either[np.minimum(events, len(either) - 1)]))

    @cached_property
    def _starts(self) -> _Starts:
        return self._starts_at(0.0)

    def _starts_at(self, least_rate_per_s: float) -> _Starts:
        """Return the starts by events of at least this rate."""
        states, first = self._tagged
        out = states.flow.sum(axis=1) + states.ends.sum(axis=1)
        rate = max(float(out.max()), least_rate_per_s)
        self._require_few_events(rate)
        inside, ends = (states.flow / rate).T.tocsr(), (states.ends / rate).T.tocsr()
        stays = 1 - out / rate
        share, now = [np.zeros(self.chains.capacity.size)], first
        while now.sum() > REST:
            share.append(np.asarray(ends @ now))
            now = inside @ now + stays * now
        return _Starts(rate, np.array(share))

    def _require_few_events(self, rate_per_s: float) -> None:
        """Raise `NotApplicableError` if waits are long beside the time between events."""
        if -np.log(REST) * rate_per_s / self.chains.spare_rate_per_s > MOST_EVENTS:
            raise NotApplicableError(
                f"thresholds: percentiles take more than {MOST_EVENTS:,} events at this load; ask for means only "
                "(evaluator.quantiles=[]) or use evaluator=simulation"
            )

    @cached_property
    def _tagged(self) -> tuple[Listed[Tagged], Floats]:
        """Return a waiting job's states and the shares beginning there."""
        chains = self.chains
        rules = Rules(
            chains.arrival_rate_per_s,
            chains.spare_rate_per_s,
            tuple(chains.rate_per_s.tolist()),
            tuple(chains.capacity.tolist()),
            tuple(self.thresholds.tolist()),
        )
        begin = waits_of(rules)
        states = Listed.from_roots(begin, partial(tagged_moves, rules), chains.capacity.size)
        first = np.zeros(len(states.index))
        for state, share in begin.items():
            first[states.index[state]] = share
        return states, first


def _poisson(mean: float) -> tuple[Ints, Floats]:
    """Return likely numbers of events and their probabilities."""
    reach = 12 * np.sqrt(mean) + 60
    events = np.arange(max(0, int(mean - reach)), int(mean + reach))
    return events, np.exp(xlogy(events, mean) - mean - gammaln(events + 1))
