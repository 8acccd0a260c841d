"""Demand: the arrival rate, given as a rate, taken from the workload, or as a share of a reference's service rate."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from algorithms.tuning import Composer
from system import Composition, InputError, NotApplicableError, System
from system.checks import require_positive, require_share
from system.random_streams import is_deterministic


@dataclass(frozen=True)
class Rate:
    """A given arrival rate λ."""

    deterministic: ClassVar[bool] = True

    per_s: float

    def __post_init__(self) -> None:
        require_positive(per_s=self.per_s)

    def arrival_rate_per_s(self, system: System, native_rate_per_s: float | None, rng: np.random.Generator) -> float:
        """Return the given rate."""
        return self.per_s

    def rate_without_servers_per_s(self) -> float | None:
        """Return the given rate, which does not depend on the servers."""
        return self.per_s


@dataclass(frozen=True)
class NativeRate:
    """The workload's own arrival rate λ."""

    deterministic: ClassVar[bool] = True

    def arrival_rate_per_s(self, system: System, native_rate_per_s: float | None, rng: np.random.Generator) -> float:
        """Return the workload's own rate; raise `InputError` if it has none."""
        if native_rate_per_s is None:
            remedy = "use demand=rate demand.per_s=..., or a trace whose requests come at several times"
            raise InputError(f"demand = native: this workload has no rate of its own; {remedy}")
        return native_rate_per_s

    def rate_without_servers_per_s(self) -> float | None:
        """Return None: the workload keeps its own rate."""
        return None


def total_rate_per_s(composition: Composition) -> float:
    """Return the total service rate ν."""
    return composition.total_rate_per_s


def negative_total_rate_per_s(composition: Composition) -> float:
    """Return -ν, which is least where the total service rate is largest."""
    return -composition.total_rate_per_s


@dataclass(frozen=True)
class Load:
    """An arrival rate λ = load · ν, where ν is a rate of a reference scheme: by default its total service rate.

    The reference uses the same cluster, so all schemes get the same rate. It must not depend on λ itself: use the stop
    rule `max_chains`, and a fixed c or the c with the largest ν.
    """

    load: float
    reference: Composer
    rate_per_s: Callable[[Composition], float] = total_rate_per_s

    def __post_init__(self) -> None:
        require_share(load=self.load)

    @property
    def deterministic(self) -> bool:
        """Return whether the reference is not random."""
        return is_deterministic(self.reference)

    def arrival_rate_per_s(self, system: System, native_rate_per_s: float | None, rng: np.random.Generator) -> float:
        """Return the load times the rate of the reference."""
        any_rate = replace(system, arrival_rate_per_s=1.0)
        return self.load * self.rate_per_s(self.reference.compose(any_rate, rng))

    def rate_without_servers_per_s(self) -> float | None:
        """Raise `NotApplicableError`, because a load is a share of the servers' service rate."""
        raise NotApplicableError(
            f"demand.load = {self.load:g}: this evaluator uses no servers, and a load is a share of what they can "
            "serve; use demand=rate or demand=native"
        )
