"""The rules by which published claims are judged: what `claims.yaml` holds, as data."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from system.checks import require

FILE = Path(__file__).with_name("claims.yaml")
Where = dict[str, Any]  # the value of an axis, or a list of values
SETS = ("paper", "published_code")  # of constants, under which claims are judged


@dataclass(frozen=True)
class Selection:
    """Rows of one metric of an experiment, for axes of these values.

    A metric with several places (`at`) is taken at those given, or reduced over all of them by `over_at`: the least
    value, or `spread`, the largest over the least, less 1. With `least_over` it is replaced by the value of that axis
    at which it is least.
    """

    experiment: str
    metric: str
    where: Where = field(default_factory=dict)
    at: list[float] | None = None
    over_at: Literal["min", "spread"] | None = None
    least_over: str | None = None


@dataclass(frozen=True)
class ClaimTest:
    """One quantity, and the band in which it must lie (`claims.yaml` says how that is decided).

    The quantity is `of`, or `of` compared with `to`, or with what was `published` by value of an axis: their `ratio`,
    `difference` (of - to), `excess` (of / to - 1) or `reduction` (1 - of / to). It is taken in each cell, that is for
    each combination of the axes in `each` (`at` counts as one); with `steps` its change from one value of that axis to
    the next. `cells` keeps the cell of the smallest or largest mean. A test with a `status` is about that alone.
    """

    measures: str
    of: Selection
    to: Selection | None = None
    published: dict[str, dict[str, float]] | None = None
    compare: Literal["ratio", "difference", "excess", "reduction"] | None = None
    each: list[str] = field(default_factory=list)
    at_is: str = "at"  # what the places of the metric are
    steps: str | None = None
    cells: Literal["all", "smallest", "largest"] = "all"
    draws: Literal["mean", "every"] = "mean"
    band: tuple[float | None, float | None] = (None, None)
    status: str | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        compared = (self.to is not None) + (self.published is not None)
        require(compared <= 1, "to", self.measures, "compare with either `to` or `published`")
        require((self.compare is not None) == bool(compared), "compare", self.compare, "goes with `to` or `published`")
        decided = self.status is not None or any(end is not None for end in self.band)
        require(decided, "band", self.measures, "give a band or a status")

    @property
    def selections(self) -> list[Selection]:
        """What it reads."""
        return [self.of] if self.to is None else [self.of, self.to]

    @property
    def ends(self) -> tuple[float, float]:
        """The band with infinities where it is open."""
        low, high = self.band
        return float("-inf") if low is None else low, float("inf") if high is None else high


@dataclass(frozen=True)
class Claim:
    """A claim, where the paper makes it, and the tests that decide it under each combination of its conditions."""

    id: str
    claim: str
    source: str
    published: str
    tests: list[ClaimTest] = field(default_factory=list)
    conditions: dict[str, list[str]] = field(default_factory=lambda: {"constants": list(SETS)})
    untestable: str = ""  # why it cannot be tested here
    measured: bool = False  # it is about the recorded data, so no embedded variant can stand in
    note: str = ""

    def __post_init__(self) -> None:
        require(bool(self.tests) != bool(self.untestable), "tests", self.id, "give tests, or why there are none")

    @property
    def experiments(self) -> set[str]:
        """The experiments that its tests read."""
        return {selection.experiment for test in self.tests for selection in test.selections}


@cache
def rules() -> dict[str, Any]:
    """The file as it is: the published Table I, and the claims."""
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


def claims() -> list[Claim]:
    """The claims in order."""
    return [claim_of(**entry) for entry in rules()["claims"]]


def claim_of(tests: list[dict[str, Any]] | None = None, **settings: Any) -> Claim:
    """A claim from plain containers."""
    return Claim(tests=[_test_of(**test) for test in tests or ()], **settings)


def _test_of(of: dict[str, Any], to: dict[str, Any] | None = None, **settings: Any) -> ClaimTest:
    return ClaimTest(of=Selection(**of), to=None if to is None else Selection(**to), **settings)
