"""The searched scheme: a composition that minimises an objective, under a dispatch policy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from algorithms.composition_search.objective import SearchObjective
from algorithms.composition_search.searching import progress_bar, search
from algorithms.dispatch.jffc import JFFC
from algorithms.forwarding import ForwardingScheme
from algorithms.tuning import Composer
from system import Composition, InfeasibleError, Placement, System, UnstableError
from system.checks import require_count, require_not_negative
from system.dispatch import Dispatch
from system.limits import CANDIDATES
from system.random_streams import is_deterministic

EVALUATIONS = 1_000 * CANDIDATES


@dataclass(frozen=True)
class Searched(ForwardingScheme):
    """A composition searched by annealing.

    A state is an order of the servers with a reservation for each of them. Starts are GBP-CR at every c, the whole
    model, equal splits, CG-BP and PETALS, and the compositions of the further schemes in `starts`. The result is never
    worse than any of them under the objective. `evaluations` is the number of compositions that are tried, so the
    result is the same on every machine.
    """

    objective: SearchObjective
    evaluations: int = 200_000
    restarts: int | None = None  # `usual_restarts`
    starts: Sequence[Composer] = ()
    dispatch: Dispatch = JFFC
    seed: int = 0

    def __post_init__(self) -> None:
        require_count(EVALUATIONS, evaluations=self.evaluations)
        if self.restarts is not None:
            require_count(self.evaluations, restarts=self.restarts)
        require_not_negative(seed=self.seed)

    @property
    def deterministic(self) -> bool:
        """Return whether neither the policy nor a start is random.

        The search has a seed of its own.
        """
        return is_deterministic(self.dispatch, *self.starts)

    def compose(self, system: System, rng: np.random.Generator) -> Composition:
        """Return the best composition found; raise as `search` does."""
        system = self.forwarded(system)
        further = self._placements(system, rng)
        with progress_bar(self.evaluations) as bar:
            best = search(
                system,
                self.objective,
                further,
                evaluations=self.evaluations,
                restarts=self.restarts,
                seed=self.seed,
                progress=bar.update,
            )
        return best.composition.under(self.dispatch)

    def _placements(self, system: System, rng: np.random.Generator) -> list[Placement]:
        """Return the placements of the further schemes; those that are refused are left out."""
        placements = []
        for scheme in self.starts:
            try:
                placements.append(scheme.compose(system, rng).placement)
            except (InfeasibleError, UnstableError):
                continue
        return placements
