"""How many requests come: at a rate, at the workload's own, or at a share of what a reference composition can serve."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from system import Composition, InputError, NotApplicableError, System
from system.checks import require_positive, require_share


class Composer(Protocol):
    def compose(self, system: System, rng: np.random.Generator) -> Composition:
        """The composition of a complete scheme."""


@dataclass(frozen=True)
class Rate:
    """λ as given."""

    per_s: float

    def __post_init__(self) -> None:
        require_positive(per_s=self.per_s)

    def arrival_rate_per_s(self, system: System, native_rate_per_s: float | None, rng: np.random.Generator) -> float:
        return self.per_s

    def rate_without_servers_per_s(self) -> float | None:
        """Return the rate, which depends on no servers."""
        return self.per_s


@dataclass(frozen=True)
class NativeRate:
    """λ of the workload itself."""

    def arrival_rate_per_s(self, system: System, native_rate_per_s: float | None, rng: np.random.Generator) -> float:
        if native_rate_per_s is None:
            raise InputError("demand = native: this workload has no rate of its own, use demand=rate demand.per_s=...")
        return native_rate_per_s

    def rate_without_servers_per_s(self) -> float | None:
        """Return None: the workload keeps its own rate."""
        return None


@dataclass(frozen=True)
class Load:
    """λ = load · ν of a reference scheme on the same cluster, so that all schemes meet the same rate.

    The reference must not depend on λ itself (a fixed c and the stop rule `max_chains`).
    """

    load: float
    reference: Composer

    def __post_init__(self) -> None:
        require_share(load=self.load)

    def arrival_rate_per_s(self, system: System, native_rate_per_s: float | None, rng: np.random.Generator) -> float:
        any_rate = replace(system, arrival_rate_per_s=1.0)
        return self.load * self.reference.compose(any_rate, rng).total_rate_per_s

    def rate_without_servers_per_s(self) -> float | None:
        """Raise `NotApplicableError`: a load is a share of what servers can serve."""
        raise NotApplicableError(
            f"demand.load = {self.load:g}: this evaluator looks at no servers and so at no load; "
            "use demand=rate or native"
        )
