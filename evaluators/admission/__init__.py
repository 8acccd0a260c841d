"""Who starts when and on which path: the same decisions for jobs in a simulation and for real requests.

Plain state machines without a clock of their own. They ask the very functions that the compiled simulators ask: the
scheme's dispatch policy, or its delays and the shortest path over them.
"""

from collections.abc import Callable

from algorithms.dispatch import Dispatch
from algorithms.routing.links import RoutedComposition
from evaluators.admission.chains import ChainAdmission
from evaluators.admission.decisions import Admission, Hop, Path, Start
from evaluators.admission.routed import BackoffAdmission, CentralAdmission, CommittedAdmission
from system import Composition, InputError
from workloads.jobs import Jobs

ROUTED: dict[str, Callable[[RoutedComposition], Admission]] = {
    "fcfs": CommittedAdmission,
    "first_fit": CommittedAdmission,
    "backoff": BackoffAdmission,
    "central": CentralAdmission,
}


def admission_of(composed: Composition | RoutedComposition, dispatch: Dispatch | None, jobs: Jobs) -> Admission:
    """The admission of what a scheme has composed; `dispatch` is for chains, jobs are known by their numbers."""
    if isinstance(composed, RoutedComposition):
        return ROUTED[composed.routing.waiting](composed)
    if dispatch is None:
        raise InputError("dispatch = None: chains need a policy that says which of them takes the next job")
    return ChainAdmission(composed, dispatch, jobs.uniform)


__all__ = ["Admission", "Hop", "Path", "Start", "admission_of"]
