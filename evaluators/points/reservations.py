"""Placements by themselves: how many job servers they reserve for the target load (paper Fig. 1)."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np

from algorithms.placement.reservation import needed_chains
from evaluators.points.case import Draw, Measurement
from system import InfeasibleError, Placement, RandomStreams, System
from system.checks import require_count

TRIES_PER_TRIAL = 20  # a cluster on which fewer random placements succeed is given up


@dataclass(frozen=True)
class ReservationsEvaluator:
    """c K(c) of `trials` placements of a cluster that reach the rate λ/(ρ̄c); those that do not are discarded.

    Each try has its own random stream; a placement that uses none needs one trial.
    """

    placement: Callable[[System, int, np.random.Generator], Placement]
    reserved_capacity: int  # c
    trials: int

    def __post_init__(self) -> None:
        require_count(reserved_capacity=self.reserved_capacity, trials=self.trials)

    @property
    def varies_with(self) -> Literal["draw"]:
        return "draw"

    def __call__(self, draw: Draw, replication: int) -> list[Measurement]:
        """`job_servers` of each accepted placement and the share of the tries that were accepted.

        Raises `InfeasibleError` if `trials` placements are not found in 20 times as many tries.
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
        """K(c) of one try; raises if the placement has no chains that reach the rate."""
        rng = RandomStreams(draw.case.seed, draw.number).cluster(f"placement {number}")
        return needed_chains(draw.system, self.placement(draw.system, self.reserved_capacity, rng))

    def _too_few(self, system: System, found: int, tries: int) -> InfeasibleError:
        return InfeasibleError(
            f"c = {self.reserved_capacity}: {found} of {tries} placements reach the required "
            f"{system.required_rate_per_s:g}/s, but {self.trials} are asked for; lower the arrival rate or add servers"
        )
