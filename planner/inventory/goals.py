"""Goals that a plan can have."""

from dataclasses import dataclass

from system.checks import require_positive, require_share


@dataclass(frozen=True)
class Minimise:
    """The shortest mean response time, or with `quantile` the shortest time that this share of jobs does not exceed."""

    quantile: float | None = None

    def __post_init__(self) -> None:
        if self.quantile is not None:
            require_share(quantile=self.quantile)


@dataclass(frozen=True)
class UnderSlo:
    """A response time of at most `slo_s` for a share `quantile` of the jobs."""

    quantile: float
    slo_s: float

    def __post_init__(self) -> None:
        require_share(quantile=self.quantile)
        require_positive(slo_s=self.slo_s)


class LargestRate(UnderSlo):
    """The largest arrival rate at which the response times keep to `slo_s`."""


class Cheapest(UnderSlo):
    """The lowest hourly cost of servers whose response times keep to `slo_s` at the given rate."""


Goal = Minimise | LargestRate | Cheapest
