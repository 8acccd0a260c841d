"""Goals that a plan can have, and how an inventory states them."""

import re
from dataclasses import dataclass

from system.checks import require, require_positive, require_share
from system.documents.entries import Entry
from system.limits import SLO_S

GOAL_KEYS = ("minimise", "largest_rate", "cheapest")
SLO_KEYS = ("quantile", "slo_s")
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


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


def goal_of(top: Entry) -> Goal:
    """Return the goal; by default it is the shortest mean response time."""
    if "goal" not in top:
        return Minimise()
    entry = top.part("goal", "minimise, largest_rate or cheapest", GOAL_KEYS)
    require(len(entry.content) == 1, "goal", list(entry.content), f"give exactly one of {', '.join(GOAL_KEYS)}")
    if "minimise" in entry:
        return Minimise(_quantile(entry.text("minimise", "mean, p50, p95 or p99")))
    kind = LargestRate if "largest_rate" in entry else Cheapest
    slo = entry.part(next(iter(entry.content)), "quantile and slo_s", SLO_KEYS)
    return kind(slo.positive("quantile", "a share, such as 0.95"), slo.positive("slo_s", "seconds", SLO_S))


def _quantile(name: str) -> float | None:
    percentile = PERCENTILE.fullmatch(name)
    known = name == "mean" or (percentile is not None and float(percentile[1]) > 0)
    require(known, "minimise of goal", name, "must be mean or a percentile such as p50, p95, p99")
    return None if percentile is None else float(percentile[1]) / 100
