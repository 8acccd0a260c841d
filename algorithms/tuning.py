"""The choice of c, the number of jobs for which placements reserve cache, with the objective injected."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from system import Composition, InfeasibleError, System, UnstableError
from system.checks import require_count

Compose = Callable[[int], Composition]
Objective = Callable[[Composition], float]


def choose_capacity(compose: Compose, objective: Objective, candidates: Iterable[int]) -> Composition:
    """`compose(c)` for the candidate c with the least objective; the smallest c of equals.

    A c that gives no chain or too little service rate is passed over, and so is one whose objective is infinite. If no
    c is left, the reason against the first one is raised.
    """
    best, least, refusals = None, np.inf, []
    for c in candidates:
        try:
            composition = compose(c)
            value = objective(composition)
        except (InfeasibleError, UnstableError) as error:
            refusals.append(error)
            continue
        if value < least:
            best, least = composition, value
        elif best is None:
            refusals.append(InfeasibleError(f"c = {c} has no finite objective; lower the arrival rate or add servers"))
    if best is None:
        raise next(
            iter(refusals), InfeasibleError("no c to choose from: no server can host one block and one job's cache")
        )
    return best


@dataclass(frozen=True)
class FixedCapacity:
    """c as given (the paper's experiments fix c = 7)."""

    capacity: int

    def __post_init__(self) -> None:
        require_count(capacity=self.capacity)

    def __call__(self, system: System, compose: Compose) -> Composition:
        return compose(self.capacity)


@dataclass(frozen=True)
class BestCapacity:
    """The c of 1 .. c_max, or of 1 .. `largest` where that is less, that minimises an objective of the composition."""

    objective: Objective
    largest: int | None = None

    def __post_init__(self) -> None:
        if self.largest is not None:
            require_count(largest=self.largest)

    def __call__(self, system: System, compose: Compose) -> Composition:
        limit = min(system.largest_reservation, self.largest or system.largest_reservation)
        return choose_capacity(compose, self.objective, range(1, limit + 1))
