"""From bounds on completion rates to a bound on the mean response time.

U(n), the least of the tangents at n jobs, is concave, so its rises U(n) - U(n - 1) descend. The birth-death process
with death rates U(n) is therefore that of Theorem 4's lower bound for slots whose rates are the rises.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from evaluators.queueing.certificate.completion import Tangent
from evaluators.queueing.certificate.hosts import Floats
from evaluators.queueing.theorem4 import theorem4
from system.limits import SUMMED_SLOTS


class Envelope:
    """The least of tangents, of which one at least has alpha = 0."""

    def __init__(self, tangents: Iterable[Tangent]) -> None:
        self.tangents = _lowest(tangents)

    @property
    def largest_rate_per_s(self) -> float:
        """Return the bound on all completion rates."""
        return self.tangents[-1].fixed

    def response_s(self, arrival_rate_per_s: float) -> float:
        """Return E[N]/λ of the birth-death process; raise as `theorem4` does."""
        rises, counts = np.diff(self._rate_per_s), np.diff(self._knots)
        real = rises > 0  # but for rounding, all are
        return theorem4(arrival_rate_per_s, (rises / counts)[real], counts[real].astype(np.int64)).lower_s

    def looseness(self, arrival_rate_per_s: float, reached: Mapping[float, float]) -> tuple[float, float]:
        """Return a share by which E[N] may be too low.

        `reached` has completion rates of known ways, by numbers of jobs. The share is to first order in their
        differences from U. The number of jobs whose rate matters most comes with it.
        """
        jobs = np.arange(1.0, min(self._knots[-1], SUMMED_SLOTS) + 1)
        upper = np.interp(jobs, self._knots, self._rate_per_s)
        known = sorted(reached)
        lower = np.interp(jobs, known, [reached[number] for number in known])
        effects = _effects(arrival_rate_per_s, upper) * (1 - np.minimum(lower / upper, 1.0))
        effects[np.isin(jobs, known)] = 0.0
        return float(effects.sum()), float(jobs[effects.argmax()])

    @cached_property
    def _knots(self) -> Floats:
        """Return the numbers of jobs between which U is linear.

        They begin at 0; beyond the last, U is constant.
        """
        bends = np.array([_bend(*pair) for pair in zip(self.tangents, self.tangents[1:], strict=False)])
        return np.unique(np.concatenate([[0.0], np.floor(bends), np.floor(bends) + 1]))

    @cached_property
    def _rate_per_s(self) -> Floats:
        """Return U at the knots."""
        return np.array([min(tangent.rate_per_s(knot) for tangent in self.tangents) for knot in self._knots])


def _lowest(tangents: Iterable[Tangent]) -> list[Tangent]:
    """Return the tangents that are somewhere the lowest."""
    lowest: list[Tangent] = []
    for tangent in sorted(tangents, key=lambda tangent: (tangent.fixed, tangent.alpha)):
        if lowest and tangent.alpha >= lowest[-1].alpha:
            continue
        while len(lowest) > 1 and _bend(lowest[-2], tangent) <= _bend(lowest[-2], lowest[-1]):
            lowest.pop()
        lowest.append(tangent)
        if tangent.alpha == 0:
            break
    return lowest


def _bend(first: Tangent, second: Tangent) -> float:
    """Return the number of jobs at which two tangents meet."""
    return (second.fixed - first.fixed) / (first.alpha - second.alpha)


def _effects(arrival_rate_per_s: float, death_rate_per_s: Floats) -> Floats:
    """Return the relative effects of the death rates on E[N].

    It is the relative fall of E[N] for a relative rise of each, to first order. Beyond the last state the last rate
    holds; all are 0 if it does not exceed the arrival rate.
    """
    load = arrival_rate_per_s / death_rate_per_s
    if load[-1] >= 1:
        return np.zeros(load.size)
    logarithm = np.append(0.0, np.cumsum(np.log(load)))
    weight, jobs = np.exp(logarithm - logarithm.max()), np.arange(load.size + 1.0)
    weight[-1] /= 1 - load[-1]  # the last state and all beyond
    jobs[-1] += load[-1] / (1 - load[-1])
    mean = weight @ jobs / weight.sum()
    return np.asarray((weight * (jobs - mean))[::-1].cumsum()[-2::-1] / (weight.sum() * mean))
