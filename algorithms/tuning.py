"""The choice of c, the number of jobs for which placements reserve cache, for any objective."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from math import inf
from typing import NamedTuple, Protocol

import numpy as np

from system import Composition, InfeasibleError, System, UnstableError
from system.checks import require, require_count
from system.limits import CANDIDATES, SLOTS
from system.random_streams import is_deterministic

Compose = Callable[[int], Composition]
Objective = Callable[[Composition], float]


def choose_capacity(compose: Compose, objective: Objective, candidates: Iterable[int]) -> Composition:
    """Return `compose(c)` for the c with the least objective, the first of equals.

    Raises as `best_candidates` does.
    """
    (best,) = best_candidates(compose, objective, candidates, 1)
    return best.composition


class Candidate(NamedTuple):
    """A c, the composition for it, and its objective."""

    capacity: int
    composition: Composition
    value: float


def best_candidates(compose: Compose, objective: Objective, candidates: Iterable[int], count: int) -> list[Candidate]:
    """Return the `count` candidates with the least objectives, best first.

    Of equals the first comes first. A c is skipped if it gives no chain or too low a service rate, or if its objective
    is infinite, so there may be fewer. If no c is left, the error of the first one is raised.
    """
    refusals: list[InfeasibleError | UnstableError] = []
    valued = _valued(compose, objective, candidates, refusals)
    best = nsmallest(count, valued, key=lambda candidate: candidate.value)
    if not best:
        no_candidate = InfeasibleError(
            "no c to choose from: no server can host one block and one job's cache; add a server with more memory"
        )
        raise next(iter(refusals), no_candidate)
    return best


def _valued(
    compose: Compose,
    objective: Objective,
    candidates: Iterable[int],
    refusals: list[InfeasibleError | UnstableError],
) -> Iterator[Candidate]:
    """Yield each c that has a finite objective; collect the refusals of others."""
    for c in candidates:
        try:
            composition = compose(c)
            value = objective(composition)
        except (InfeasibleError, UnstableError) as error:
            refusals.append(error)
            continue
        if value < inf:
            yield Candidate(c, composition, value)
        else:
            refusals.append(InfeasibleError(f"c = {c}: has no finite objective; lower the arrival rate or add servers"))


@dataclass(frozen=True)
class FixedCapacity:
    """A fixed c (the paper's experiments use c = 7)."""

    capacity: int

    def __post_init__(self) -> None:
        require_count(SLOTS, capacity=self.capacity)

    def __call__(self, system: System, compose: Compose) -> Composition:
        """Return the composition for the fixed c."""
        return compose(self.capacity)


@dataclass(frozen=True)
class BestCapacity:
    """The c that minimises an objective of the composition, the smallest of equals.

    The candidates are 1 .. c_max, or 1 .. `largest` if that is less.
    """

    objective: Objective
    largest: int | None = None

    def __post_init__(self) -> None:
        if self.largest is not None:
            require_count(largest=self.largest)

    def __call__(self, system: System, compose: Compose) -> Composition:
        """Return the composition for the best c."""
        return choose_capacity(compose, self.objective, self.candidates(system))

    def candidates(self, system: System) -> range:
        """Return the c to choose from; raise `InputError` if they are too many."""
        limit = min(system.largest_reservation, self.largest or system.largest_reservation)
        require(
            limit <= CANDIDATES, "c_max", limit, f"are too many c to try; set tuning.largest to {CANDIDATES:,} or less"
        )
        return range(1, limit + 1)


@dataclass(frozen=True, kw_only=True)
class Screened(BestCapacity):
    """The c that minimises a costly objective among finalists, the smallest of equals.

    Cheap objectives choose the finalists: the best `finalists` candidates by `screen`, and the best one by `rival`, so
    that the choice is never worse by the costly objective than that of the rival.
    """

    screen: Objective
    rival: Objective
    finalists: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count(CANDIDATES, finalists=self.finalists)

    def __call__(self, system: System, compose: Compose) -> Composition:
        """Return the composition for the best finalist."""
        candidates = self.candidates(system)
        screened = best_candidates(compose, self.screen, candidates, self.finalists)
        rival = best_candidates(compose, self.rival, candidates, 1)
        finalists = {candidate.capacity: candidate.composition for candidate in (*screened, *rival)}
        return choose_capacity(finalists.__getitem__, self.objective, sorted(finalists))


class Composer(Protocol):
    """A complete scheme that makes chains."""

    def compose(self, system: System, rng: np.random.Generator) -> Composition:
        """Return the scheme's composition for a system."""


@dataclass(frozen=True)
class CapacityOf:
    """The c that another scheme without random choices chooses for the same system."""

    scheme: Composer

    def __post_init__(self) -> None:
        name = type(self.scheme).__name__
        require(is_deterministic(self.scheme), "scheme", name, "makes random choices; name a scheme that makes none")

    def __call__(self, system: System, compose: Compose) -> Composition:
        """Return the composition for the c of the other scheme."""
        chosen = self.scheme.compose(system, np.random.default_rng(0))
        return compose(chosen.placement.reserved_capacity)
