"""Theory of a layout with chains, for Poisson arrivals, exponential sizes, equation (2), and JFFC or thresholds."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from algorithms.dispatch.jffc import is_jffc
from algorithms.dispatch.thresholds import is_thresholds
from evaluators.queueing.exact import ExactResponse, exact
from evaluators.queueing.markov import MarkovResponse, markov
from evaluators.queueing.theorem4 import ResponseBounds, theorem4
from system.composition import Composition
from system.dispatch import Dispatch
from system.errors import NotApplicableError
from system.layout import Layout
from system.response import ByChain, Limits, Time
from workloads.synthetic import is_poisson_exponential
from workloads.workload import Workload

SOLVED_TO = 1e-9  # relative accuracy of rates under a limit


@dataclass(frozen=True)
class SteadyState:
    """Exact response times (`system.response`); for output tokens only the mean is known."""

    chains: Composition
    solved: ExactResponse

    def mean_s(self, time: Time) -> float:
        """Return the mean of a time."""
        return self._means[time]()

    def quantile_s(self, time: Time, q: float) -> float:
        """Return the time that a share `q` does not exceed; NaN if unknown."""
        return self._quantiles[time](q)

    def share_above(self, time: Time, limit_s: float) -> float:
        """Return the share of jobs whose time exceeds the limit."""
        return self._tails[time](limit_s)

    def share_within(self, limits: Limits) -> float:
        """Return the share of jobs that keep to the limit.

        Raises `NotApplicableError` for several limits: the law of each time is known, but not their joint law.
        """
        if len(limits) > 1:
            raise NotApplicableError(
                f"slos: theory knows the law of each time, but not of {' and '.join(limits)} together; give one limit "
                "or use evaluator=simulation"
            )
        return max(0.0, 1 - sum(self.share_above(time, limit_s) for time, limit_s in limits.items()))

    def half_width_s(self, time: Time, q: float | None = None, confidence: float = 0.95) -> float:
        """Return 0: the times are exact."""
        return 0.0

    @property
    def by_chain(self) -> ByChain:
        """Return the share of jobs and the mean service time of each chain."""
        return ByChain(self.solved.chain_shares, self.chains.mean_service_s)

    @cached_property
    def _means(self) -> dict[Time, Callable[[], float]]:
        solved, chains = self.solved, self.chains
        return {
            "response": lambda: solved.mean_response_s,
            "waiting": lambda: solved.mean_waiting_s,
            "service": lambda: solved.mean_service_s,
            "first_token": lambda: solved.mean_first_token_s(chains.mean_first_token_s),
            "output_token": lambda: float(solved.chain_shares @ chains.job_coefficients_s[:, 2]),
        }

    @cached_property
    def _tails(self) -> dict[Time, Callable[[float], float]]:
        solved, chains = self.solved, self.chains
        return {
            "response": solved.tail,
            "waiting": solved.waiting_tail,
            "service": solved.service_tail,
            "first_token": lambda limit_s: solved.first_token_tail(limit_s, chains.mean_first_token_s),
            "output_token": lambda limit_s: float(solved.chain_shares @ (chains.job_coefficients_s[:, 2] > limit_s)),
        }

    @cached_property
    def _quantiles(self) -> dict[Time, Callable[[float], float]]:
        solved, first_token_s = self.solved, self.chains.mean_first_token_s
        return {
            "response": solved.percentile_s,
            "waiting": solved.waiting_percentile_s,
            "service": solved.service_percentile_s,
            "first_token": lambda q: solved.first_token_percentile_s(q, first_token_s),
            "output_token": lambda q: float("nan"),
        }


def steady_state(layout: Layout) -> SteadyState:
    """Return the exact response times of a layout's chains.

    Jobs are dispatched by the layout's thresholds, or else by JFFC. Raises `UnstableError` unless λ < ν (4), and
    `NotApplicableError` for layouts without chains.
    """
    chains, rule = layout.composition(), layout.rule
    thresholds = rule.settings_for(chains) if isinstance(rule, Dispatch) and is_thresholds(rule) else None
    return SteadyState(chains, exact(*_queue(layout), thresholds))


def largest_rate_in_time_per_s(
    chains: Composition, q: float, limit_s: float, low_per_s: float, high_per_s: float
) -> float | None:
    """Return the largest rate at which enough jobs keep to a limit.

    A share `q` of the response times must not exceed the limit. The rate lies between two stable rates, and its error,
    relatively about `SOLVED_TO`, is on the side that keeps to the limit. It is None if too many jobs are late at the
    lower rate, or if the rates do not ascend.
    """
    from scipy.optimize import brentq  # loading it takes longer than computing a mean, which does not need it

    def excess(rate_per_s: float) -> float:
        return steady_state(chains.at_rate(rate_per_s)).share_above("response", limit_s) - (1 - q)

    if low_per_s >= high_per_s or excess(low_per_s) > 0:
        return None
    if excess(high_per_s) <= 0:
        return float(high_per_s)
    rate_per_s = brentq(excess, low_per_s, high_per_s, xtol=SOLVED_TO * low_per_s, rtol=SOLVED_TO)
    return float(rate_per_s) * (1 - 2 * SOLVED_TO)


def bounds_s(layout: Layout) -> ResponseBounds:
    """Return Theorem 4's bounds on the mean response time; raise as `steady_state` does."""
    return theorem4(*_queue(layout))


def markov_chain(layout: Layout) -> MarkovResponse:
    """Solve the whole Markov chain, for small systems; raise as `steady_state` does."""
    return markov(*_queue(layout))


def _queue(layout: Layout) -> tuple[float, NDArray[np.float64], NDArray[np.int64]]:
    """Return λ, μ and c of a layout; raise as `steady_state` does."""
    chains = layout.composition()
    chains.check_stable()
    return chains.system.arrival_rate_per_s, chains.service_rate_per_s, chains.capacity


def theory_holds(layout: Layout, workload: Workload) -> bool:
    """Return whether `steady_state` holds.

    Arrivals must be Poisson, sizes exponential, and jobs dispatched by JFFC or thresholds after every event.
    """
    return (is_jffc(layout.rule) or is_thresholds(layout.rule)) and is_poisson_exponential(workload)


def require_theory(evaluator: str, layout: Layout, workload: Workload) -> None:
    """Raise `NotApplicableError` unless `theory_holds`."""
    if not theory_holds(layout.composition(), workload):
        raise _not_applicable(evaluator, ", and JFFC or thresholds")


def require_jffc(evaluator: str, layout: Layout, workload: Workload) -> None:
    """Raise `NotApplicableError` unless the theory of JFFC holds."""
    if not (theory_holds(layout.composition(), workload) and is_jffc(layout.rule)):
        raise _not_applicable(evaluator, " and JFFC")


def _not_applicable(evaluator: str, rules: str) -> NotApplicableError:
    return NotApplicableError(
        f"evaluator = {evaluator}: holds for Poisson arrivals, exponential sizes{rules} after every event only; "
        "use evaluator=simulation"
    )
