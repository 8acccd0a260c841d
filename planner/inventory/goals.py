"""What a plan is to achieve."""

from dataclasses import dataclass

from system.checks import require_positive, require_share


@dataclass(frozen=True)
class Minimise:
    """The least mean response time, or with `quantile` the least time that this share of the jobs does not exceed."""

    quantile: float | None = None

    def __post_init__(self) -> None:
        if self.quantile is not None:
            require_share(quantile=self.quantile)


@dataclass(frozen=True)
class UnderSlo:
    """A share `quantile` of the jobs is to be answered within `slo_s`."""

    quantile: float
    slo_s: float

    def __post_init__(self) -> None:
        require_share(quantile=self.quantile)
        require_positive(slo_s=self.slo_s)


class LargestRate(UnderSlo):
    """The largest arrival rate at which that holds."""


class Cheapest(UnderSlo):
    """The least hourly cost of servers with which it holds at the given rate."""


Goal = Minimise | LargestRate | Cheapest
