"""Goals that a plan can have, and how an inventory states them."""

import re
from dataclasses import dataclass
from typing import ClassVar

from system.checks import require, require_positive, require_share
from system.documents.entries import Entry
from system.errors import InputError
from system.limits import SLO_S

GOAL_KEYS = ("minimise", "maximise", "largest_rate", "cheapest")
SLO_KEYS = ("quantile", "slo_s")
SLO = "{quantile: 0.95, slo_s: 60}"
WORDS = "mean, p95, tokens_per_s or first_token, or a mapping with one of " + ", ".join(GOAL_KEYS)
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


@dataclass(frozen=True)
class MostTokens:
    """The most tokens per second for each of the users."""

    quantile: ClassVar[None] = None


@dataclass(frozen=True)
class ShortestFirstToken:
    """The shortest time to the first token for each of the users."""

    quantile: ClassVar[None] = None


OfUsers = MostTokens | ShortestFirstToken
Goal = Minimise | LargestRate | Cheapest | MostTokens | ShortestFirstToken


def more_is_better(goal: Goal) -> bool:
    """Return whether a larger quantity serves the goal better."""
    return isinstance(goal, LargestRate | MostTokens)


def goal_of(top: Entry) -> Goal:
    """Return the goal.

    By default it is the shortest mean response time, or with users in the workload the most tokens/s for each.
    """
    with_users = isinstance(workload := top.content.get("workload"), dict) and "users" in workload
    if "goal" not in top:
        return MostTokens() if with_users else Minimise()
    goal = _stated(top)
    is_of_users = isinstance(goal, OfUsers)
    remedy = "it is for users; give users instead of rate_per_s in workload, such as users: 1, or write goal: p95"
    require(with_users or not is_of_users, "goal", top.content["goal"], remedy)
    remedy = "it needs requests at a rate; write goal: tokens_per_s or goal: first_token, or remove users from workload"
    require(is_of_users or not with_users, "goal", top.content["goal"], remedy)
    return goal


def _stated(top: Entry) -> Goal:
    """Return the goal that a file states, as a word or as a mapping."""
    if not isinstance(top.content["goal"], dict):
        name = top.text("goal", WORDS)
        require(name not in ("largest_rate", "cheapest"), "goal", name, f"write {{{name}: {SLO}}}")
        return _named(name, "goal")
    for name in ("tokens_per_s", "first_token"):
        if name in top.content["goal"]:
            remedy = f"write goal: {name}, and users instead of rate_per_s in workload"
            raise InputError(f"goal = {{{name}: ...}}: takes no number, as a plan finds the best; {remedy}")
    entry = top.part("goal", WORDS, GOAL_KEYS)
    require(len(entry.content) == 1, "goal", list(entry.content), f"give exactly one of {', '.join(GOAL_KEYS)}")
    for key in ("minimise", "maximise"):
        if key in entry:
            return _named(entry.text(key, WORDS), entry.where(key), key)
    kind = LargestRate if "largest_rate" in entry else Cheapest
    slo = entry.part(next(iter(entry.content)), "quantile and slo_s", SLO_KEYS)
    return kind(slo.positive("quantile", "a share, such as 0.95"), slo.positive("slo_s", "seconds", SLO_S))


def _named(name: str, field: str, key: str = "") -> Goal:
    """Return the goal of a name; `key` is minimise, maximise or empty."""
    if key != "minimise" and name == "tokens_per_s":
        return MostTokens()
    require(key != "maximise", field, name, "must be tokens_per_s")
    if name == "first_token":
        return ShortestFirstToken()
    percentile = PERCENTILE.fullmatch(name)
    known = name == "mean" or (percentile is not None and float(percentile[1]) > 0)
    further = ", or first_token with users" if key else ", tokens_per_s or first_token"
    require(known, field, name, f"must be mean or a percentile such as p50, p95, p99{further}")
    return Minimise(None if percentile is None else float(percentile[1]) / 100)
