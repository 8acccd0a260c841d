"""The number of job servers that placements reserve for the target load (paper Fig. 1)."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from algorithms.placement.reservation import needed_chains
from evaluators.points.case import Draw, Measurement
from system import InfeasibleError, Placement, System
from system.checks import require_count
from system.limits import CANDIDATES, SLOTS
from system.random_streams import is_deterministic

TRIES_PER_TRIAL = 20  # a cluster is given up if fewer than one in so many random placements succeeds


@dataclass(frozen=True)
class ReservationsEvaluator:
    """Job servers c K(c) of `trials` placements on a cluster.

    Placements that do not reach the rate λ/(ρ̄c) are discarded. Every try has its own random stream; a placement that
    uses no randomness needs one trial.
    """

    uses_jobs: ClassVar[bool] = False

    placement: Callable[[System, int, np.random.Generator], Placement]
    reserved_capacity: int  # c
    trials: int

    def __post_init__(self) -> None:
        require_count(SLOTS, reserved_capacity=self.reserved_capacity)
        require_count(CANDIDATES, trials=self.trials)

    @property
    def deterministic(self) -> bool:
        """Return whether the placement is not random."""
        return is_deterministic(self.placement)

    @property
    def varies_with(self) -> Literal["draw"]:
        """Return `draw`: the placements follow from the cluster."""
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """Return `job_servers` of every accepted placement and the share of accepted tries.

        Raises `InfeasibleError` if 20 times `trials` tries do not give `trials` accepted placements.
        """
        chains: list[int] = []
        tries = 0
        while len(chains) < self.trials:
            if tries == TRIES_PER_TRIAL * self.trials:
                raise self._too_few(draw.system, len(chains), tries)
            with suppress(InfeasibleError):
                chains.append(self._chains(draw, tries))
            tries += 1
        measured = [Measurement("job_servers", self.reserved_capacity * count, n) for n, count in enumerate(chains)]
        return [*measured, Measurement("accepted_share", len(chains) / tries)]

    def _chains(self, draw: Draw, number: int) -> int:
        """Return K(c) of one try; raise `InfeasibleError` if its chains miss the rate."""
        rng = draw.streams().cluster(f"placement {number}")
        return needed_chains(draw.system, self.placement(draw.system, self.reserved_capacity, rng))

    def _too_few(self, system: System, accepted: int, tries: int) -> InfeasibleError:
        needed = f"{self.trials} {'is' if self.trials == 1 else 'are'} needed"
        return InfeasibleError(
            f"c = {self.reserved_capacity}: {accepted} of {tries} placements reach the required "
            f"{system.required_rate_per_s:g}/s, but {needed}; lower the arrival rate or add servers"
        )
