"""Admission of real requests, one event at a time; servers may be lost."""

from collections.abc import Callable
from typing import Any

import numpy as np

from evaluators.admission.chains import Chains
from evaluators.admission.remaining import Hop, Path, RemainingChains, RemainingPaths, RemainingRoutes, Start
from evaluators.admission.routes_state import Routes
from evaluators.admission.start import (
    admission_for,
    check_all_started,
    check_rule,
    require_steps,
    rule_error,
    with_more_room,
)
from system.errors import InfeasibleError
from system.layout import Layout
from workloads.jobs import Jobs

__all__ = ["Hop", "Path", "RequestAdmission", "Start"]


class RequestAdmission:
    """Decides which requests start, when, and on which path.

    The caller owns the clock, which never goes back. The decisions equal those of the simulators if `starts` is called
    after every single arrival and departure, and at `next_look_s`; at one instant departures come before arrivals.
    """

    def __init__(self, layout: Layout, jobs: Jobs) -> None:
        require_steps(layout, "real runs")
        self._admission = admission_for(layout, jobs)
        kinds: dict[type, Callable[[Any], RemainingPaths]] = {Chains: RemainingChains, Routes: RemainingRoutes}
        self._paths = kinds[type(self._admission.state)](layout)
        self._in_service: dict[int, Start] = {}

    @property
    def next_look_s(self) -> float:
        """Return when `starts` must be called without an event; infinite if never."""
        return float(self._paths.calls.next_look_s(self._admission.state))

    @property
    def has_path(self) -> bool:
        """Return whether any path remains."""
        return self._paths.exist()

    def renew(self, job: int, uniform: float) -> None:
        """Let the number of a job that is gone stand for a new one.

        `uniform` in [0, 1) is the new job's random number for the policy.
        """
        if isinstance(self._admission.state, Chains):
            self._admission.state.uniform[job] = uniform

    def arrive(self, job: int) -> None:
        """Add a job that arrives, or arrives again; raise `InfeasibleError` if no path remains."""
        if not self.has_path:
            raise InfeasibleError(
                "no path: servers were lost, and the others cannot run every block; start the lost servers again"
            )
        self._paths.calls.arrive(self._admission.state, job)

    def leave(self, job: int) -> None:
        """Free the slots of a job that has ended or was given up."""
        held = self._paths.held_by(self._in_service.pop(job))
        if held is not None:
            self._paths.calls.leave(self._admission.state, held)

    def withdraw(self, job: int) -> None:
        """Remove a job that waits; call `starts` next, as others may start without it."""
        state = self._paths.withdraw(self._admission.state, job)
        self._admission = self._admission._replace(state=state)

    def starts(self, now_s: float) -> list[Start]:
        """Return the jobs that start now; each holds its slots from here on.

        Raises `InputError` if the rule raises an exception or its answer is invalid.
        """
        started: list[Start] = []
        while self.has_path:
            count, (_, state, listed) = self._decide(now_s), self._admission
            started += [self._paths.start(state, job) for job in listed[:count].tolist()]
            if not self._paths.needs_room(state):
                break
            self._admission = with_more_room(self._admission)
        self._in_service.update({start.job: start for start in started})
        return started

    def _decide(self, now_s: float) -> int:
        """List the jobs that start now; return their number."""
        rule, state, listed = self._admission
        try:
            count: int = self._paths.calls.decide(rule, state, now_s, listed)
        except Exception as error:
            raise rule_error(self._admission, error) from error
        check_rule(count, self._admission)
        return count

    def check_ends(self, waiting: int) -> None:
        """Raise `InputError` if `waiting` jobs can never start."""
        if not self._in_service and self.next_look_s == np.inf:
            check_all_started(0, waiting, self._admission)

    def lose_server(self, server: int) -> list[int]:
        """Use a server no more; return the waiting jobs that can never start.

        The caller must remove the jobs in service on that server with `leave`; they may arrive again.
        """
        state, hopeless = self._paths.lose(self._admission.state, server)
        self._admission = self._admission._replace(state=state)
        return hopeless
