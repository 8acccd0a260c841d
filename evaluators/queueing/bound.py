"""The certificate: what no composition of the servers and no dispatch policy can beat.

The proof stands in docs/proofs.md. It holds for Poisson arrivals, exponential sizes that no policy knows, and the
service times of equation (2); policies may even interrupt jobs and move them.
"""

from evaluators.queueing.certificate.branches import branched_response_s
from evaluators.queueing.certificate.certificate import Certificate
from evaluators.queueing.certificate.hosts import hosts_of
from system.system import System


def response_bound_s(system: System, branches: int = 0) -> float:
    """Return a lower bound on the mean response of any composition under any policy.

    The rate is the system's own. `branches` is how often the possible placements are divided for a closer bound, which
    suits up to ten servers. Raises `InfeasibleError` or `UnstableError` if no composition is feasible or stable.
    """
    if branches:
        return branched_response_s(system, branches)
    return Certificate(hosts_of(system)).response(system.arrival_rate_per_s).bound_s


def rate_bound_per_s(system: System) -> float:
    """Return an upper bound on the largest rate that any composition serves.

    Raises `InfeasibleError` if there is no composition.
    """
    return Certificate(hosts_of(system)).largest_rate_per_s
