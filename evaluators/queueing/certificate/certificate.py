"""The bounds of one set of servers, at any arrival rate."""

from typing import NamedTuple

from evaluators.queueing.certificate.completion import Completion
from evaluators.queueing.certificate.envelope import Envelope
from evaluators.queueing.certificate.hosts import Hosts
from system.errors import UnstableError

LOOSENESS = 2e-3  # of E[N], below which no further number of jobs is solved for
NUMBERS = 40  # of jobs that are solved for at most


class ResponseBound(NamedTuple):
    """A lower bound on the mean response time."""

    bound_s: float
    looseness: float  # share by which the linear programmes may still raise it, to first order


class Certificate:
    """The bounds of one set of servers; a second rate takes less time than the first.

    Making one raises `InfeasibleError` if servers cannot host the model and one job.
    """

    def __init__(self, hosts: Hosts) -> None:
        self._most_jobs = hosts.most_jobs
        self.completion = Completion(hosts)
        self.completion.solve(hosts.most_jobs)

    @property
    def largest_rate_per_s(self) -> float:
        """Return the bound on the largest rate."""
        return self._envelope().largest_rate_per_s

    def response(self, arrival_rate_per_s: float) -> ResponseBound:
        """Return the bound on the mean response time.

        Raises `UnstableError` if no composition serves the rate.
        """
        for _ in range(NUMBERS):
            envelope = self._envelope_above(arrival_rate_per_s)
            looseness, jobs = envelope.looseness(arrival_rate_per_s, self.completion.reached)
            if looseness < LOOSENESS:
                break
            self.completion.solve(jobs)
        return ResponseBound(self._envelope_above(arrival_rate_per_s).response_s(arrival_rate_per_s), looseness)

    def _envelope_above(self, arrival_rate_per_s: float) -> Envelope:
        """Return the envelope; raise `UnstableError` unless it exceeds the rate."""
        envelope = self._envelope()
        if arrival_rate_per_s >= envelope.largest_rate_per_s:
            raise UnstableError(
                f"arrival_rate_per_s = {arrival_rate_per_s:g}: no composition serves more than "
                f"{envelope.largest_rate_per_s:g}/s on these servers; lower the rate or add servers"
            )
        return envelope

    def _envelope(self) -> Envelope:
        return Envelope(self.completion.tangents, self._most_jobs)
