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
class LargestRate:
    """The largest arrival rate at which a share `quantile` of the jobs is answered within `slo_s`."""

    quantile: float
    slo_s: float

    def __post_init__(self) -> None:
        require_share(quantile=self.quantile)
        require_positive(slo_s=self.slo_s)


@dataclass(frozen=True)
class Cheapest:
    """The least hourly cost of servers that answer a share `quantile` of the jobs within `slo_s` at the given rate."""

    quantile: float
    slo_s: float

    def __post_init__(self) -> None:
        require_share(quantile=self.quantile)
        require_positive(slo_s=self.slo_s)


Goal = Minimise | LargestRate | Cheapest
