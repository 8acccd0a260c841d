"""The largest rate D_n at which n jobs can complete, as a linear programme with a column for each way.

    D_n = max Σ_s x_s / T_s   subject to   Σ_s x_s <= n,   for each type: Σ_s x_s (shares of s) <= servers of the type

By duality, D_m <= α m + Σ β for every m as soon as 1/T_s <= α + Σ_j β_j share_sj for all ways s.
"""

from math import fsum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.queueing.certificate.hosts import Floats, Hosts, Ints
from evaluators.queueing.certificate.simplex import Simplex, multiply
from evaluators.queueing.certificate.ways import Pricing, Way, cheapest_way
from system.errors import InfeasibleError

CONVERGED = 1e-4  # relative difference of a bound from the rate that known ways reach
ROUNDS = 300  # of prices, for one number of jobs
NEAR = 0.1  # relative cost beyond which a way is forgotten before another number of jobs is solved for
SMOOTHED = 0.6  # weight of the best prices so far, beside those of the known ways
LEAST_ALPHA = 1e-12  # relative to that of the fastest way alone; a smaller one is a rounding error


class Tangent(NamedTuple):
    """A bound on all completion rates: D_m <= alpha m + fixed."""

    alpha: float
    fixed: float
    prices: Floats  # (T,), of the servers of each type

    def rate_per_s(self, jobs: float) -> float:
        """Return the bound for a number of jobs."""
        return self.alpha * jobs + self.fixed


class Completion:
    """Bounds on the completion rates D_n of servers, from ways that are added where they are needed."""

    def __init__(self, hosts: Hosts) -> None:
        fastest = cheapest_way(hosts, hosts.time_s)
        if fastest is None:
            raise InfeasibleError("the servers together cannot host the model and one job's cache; add servers")
        self._hosts, self._fastest = hosts, fastest
        self._ways: dict[tuple[float, bytes], Way] = {}
        self._gains, self._columns = np.empty(0), np.empty((0, 1 + hosts.count.size))  # 1/T; 1 and the shares
        self.tangents = [Tangent(1 / fastest.time_s, 0.0, np.zeros(hosts.count.size))]
        self.reached = {0.0: 0.0}  # completion rates of known ways, by the number of jobs
        self._add([fastest])
        self._price(0.0, np.where(hosts.most > 0, 1 / hosts.share[:, 1], 0.0))

    def solve(self, jobs: float) -> None:
        """Add tangents until they are close to D_n for a number of jobs."""
        simplex = Simplex(np.append(jobs, self._hosts.count))
        best = min(self.tangents, key=lambda tangent: tangent.rate_per_s(jobs))
        self._keep((self._costs(best.alpha, best.prices) <= 1 + NEAR) | (self._gains == 1 / self._fastest.time_s))
        for _ in range(ROUNDS):
            reached, (alpha, *prices) = simplex.solve(self._columns, self._gains)
            mixed = SMOOTHED * best.prices + (1 - SMOOTHED) * np.array(prices)
            tangent = self._price(SMOOTHED * best.alpha + (1 - SMOOTHED) * alpha, mixed)
            best = min(best, tangent, key=lambda tangent: tangent.rate_per_s(jobs))
            if best.rate_per_s(jobs) <= reached * (1 + CONVERGED):
                break
        self.reached[jobs] = reached

    def ways_in_use(self, jobs: float) -> tuple[Floats, Ints]:
        """Return the jobs on known ways, and their blocks.

        They reach the largest rate of known ways; the blocks (n, T) are by type.
        """
        simplex = Simplex(np.append(jobs, self._hosts.count))
        simplex.solve(self._columns, self._gains)
        return simplex.amounts(len(self._gains)), np.array([way.blocks for way in self._ways.values()])

    def _price(self, alpha: float, prices: Floats) -> Tangent:
        """Add ways for which prices are too low; return the tangent."""
        alpha = alpha if alpha * self._fastest.time_s > LEAST_ALPHA else 0.0
        known = float(self._costs(alpha, prices).min())
        pricing = Pricing(self._hosts, self._fastest, alpha, prices, known)
        self._add(pricing.ways)
        suited = prices / pricing.least
        self.tangents.append(Tangent(alpha / pricing.least, fsum(suited * self._hosts.count), suited))
        return self.tangents[-1]

    def _costs(self, alpha: float, prices: Floats) -> Floats:
        """Return T_s (α + P_s) of known ways, 1 for those in use."""
        costs = np.empty(self._gains.size)
        multiply(self._columns, np.append(alpha, prices), costs)
        return costs / self._gains

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        """Forget all but some of the known ways."""
        self._ways = {key: way for (key, way), keep in zip(self._ways.items(), kept.tolist(), strict=True) if keep}
        self._gains, self._columns = self._gains[kept], self._columns[kept]

    def _add(self, ways: list[Way]) -> None:
        """Add ways that are not known yet."""
        new = {way.key: way for way in ways if way.key not in self._ways}
        self._ways |= new
        self._gains = np.append(self._gains, [1 / way.time_s for way in new.values()])
        self._columns = np.vstack([self._columns, *(np.append(1.0, way.shares) for way in new.values())])
