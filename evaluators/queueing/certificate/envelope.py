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

STATES = 1_000_000  # numbers of jobs of which the next one to solve for is chosen
FURTHER = 10_000  # jobs beyond twice those that leave as fast as others come; hardly ever are there more


class Envelope:
    """The least of tangents; beyond `most_jobs`, which can be in service at a time, it is constant."""

    def __init__(self, tangents: Iterable[Tangent], most_jobs: int) -> None:
        self._tangents, self._most_jobs = _lowest(tangents), float(most_jobs)

    @property
    def largest_rate_per_s(self) -> float:
        """Return the bound on all completion rates."""
        return float(self._rate_per_s[-1])

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
        # Jobs that leave as fast as others come.
        needed = float(np.interp(arrival_rate_per_s, self._rate_per_s, self._knots))
        last = min(self._knots[-1], 2 * needed + FURTHER)
        step = float(np.ceil(last / STATES))
        jobs = np.arange(1.0, last + 1, step)
        upper = np.interp(jobs, self._knots, self._rate_per_s)
        known = sorted(reached)
        lower = np.interp(jobs, known, [reached[number] for number in known])
        effects = _effects(arrival_rate_per_s, jobs, upper) * (1 - np.minimum(lower / upper, 1.0))
        effects[np.isin(jobs, known)] = 0.0
        return float(effects.sum()), float(jobs[effects.argmax()])

    @cached_property
    def _knots(self) -> Floats:
        """Return the numbers of jobs between which U is linear.

        They begin at 0; beyond the last, U is constant.
        """
        bends = np.array([_bend(*pair) for pair in zip(self._tangents, self._tangents[1:], strict=False)])
        knots = np.concatenate([[0.0], np.floor(bends), np.floor(bends) + 1])
        return np.unique(np.append(knots[knots < self._most_jobs], self._most_jobs))

    @cached_property
    def _rate_per_s(self) -> Floats:
        """Return U at the knots."""
        return np.array([min(tangent.rate_per_s(knot) for tangent in self._tangents) for knot in self._knots])


def _lowest(tangents: Iterable[Tangent]) -> list[Tangent]:
    """Return the tangents that are somewhere the lowest."""
    lowest: list[Tangent] = []
    for tangent in sorted(tangents, key=lambda tangent: (tangent.fixed, tangent.alpha)):
        if lowest and tangent.alpha >= lowest[-1].alpha:
            continue
        while len(lowest) > 1 and _bend(lowest[-2], tangent) <= _bend(lowest[-2], lowest[-1]):
            lowest.pop()
        lowest.append(tangent)
    return lowest


def _bend(first: Tangent, second: Tangent) -> float:
    """Return the number of jobs at which two tangents meet."""
    return (second.fixed - first.fixed) / (first.alpha - second.alpha)


def _effects(arrival_rate_per_s: float, jobs: Floats, death_rate_per_s: Floats) -> Floats:
    """Return the relative effects of the death rates on E[N].

    They are the relative fall of E[N] for a relative rise of each, to first order. Rates are those of equidistant
    numbers of jobs; beyond the last number the last rate holds.
    """
    load = arrival_rate_per_s / death_rate_per_s
    step = jobs[1] - jobs[0] if jobs.size > 1 else 1.0
    logarithm = np.append(0.0, step * np.cumsum(np.log(load)))
    weight, number = np.exp(logarithm - logarithm.max()), np.append(0.0, jobs)
    weight[-1] /= 1 - load[-1]  # the last state and all beyond
    number[-1] += load[-1] / (1 - load[-1])
    mean = weight @ number / weight.sum()
    return np.asarray(step * (weight * (number - mean))[::-1].cumsum()[-2::-1] / (weight.sum() * mean))
