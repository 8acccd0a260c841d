"""The rules for judging published claims, read from `claims.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from system.checks import echo, require
from system.documents.records import record_of
from system.documents.yaml_files import read_yaml

FILE = Path(__file__).with_name("claims.yaml")
Where = dict[str, Any]  # the value of an axis, or a list of values
SIDES = ("of", "to")  # of a comparison
SETS = ("paper", "published_code")  # of constants, under which claims are judged


@dataclass(frozen=True)
class Selection:
    """The rows of one metric of an experiment in which the axes have the values of `where`.

    A metric with several coordinates (`at`) is taken at the coordinates given, or reduced over all of them by
    `over_at`: `min` is the least value, and `spread` is the largest over the least, less 1. With `least_over` the
    metric is replaced by the value of that axis at which it is least.
    """

    experiment: str
    metric: str
    where: Where = field(default_factory=dict)
    at: list[float] | None = None
    over_at: Literal["min", "spread"] | None = None
    least_over: str | None = None


@dataclass(frozen=True)
class ClaimTest:
    """One quantity, and the band in which it must lie; `claims.yaml` says how that is decided.

    The quantity is `of`, or `of` compared with `to` or with the numbers `published` for the values of an axis.
    `compare` says how: `ratio` (of / to), `difference` (of - to), `excess` (of / to - 1) or `reduction` (1 - of / to).
    The quantity is computed in each cell, which is a combination of values of the `axes` (`at` counts as an
    axis). With `steps` it is the change from one value of that axis to the next. `cells` keeps all cells, or only that
    with the smallest or largest mean. If a test has a `status`, it only asks whether some point has that status.
    """

    measures: str
    of: Selection
    to: Selection | None = None
    published: dict[str, dict[str, float]] | None = None
    compare: Literal["ratio", "difference", "excess", "reduction"] | None = None
    axes: list[str] = field(default_factory=list)
    at_is: str = "at"  # the meaning of the metric's coordinate `at`
    steps: str | None = None
    cells: Literal["all", "smallest", "largest"] = "all"
    draws: Literal["mean", "every"] = "mean"
    band: tuple[float | None, float | None] = (None, None)
    status: str | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        compared = (self.to is not None) + (self.published is not None)
        require(compared <= 1, "to", self.measures, "compare with `to` or with `published`, not with both")
        require(
            (self.compare is not None) == bool(compared),
            "compare",
            self.compare,
            "set `compare` if and only if `to` or `published` is set",
        )
        decided = self.status is not None or any(end is not None for end in self.band)
        require(decided, "band", self.measures, "give a band or a status")

    @property
    def selections(self) -> list[Selection]:
        """Return the selections that the test reads."""
        return [self.of] if self.to is None else [self.of, self.to]

    @property
    def ends(self) -> tuple[float, float]:
        """Return the ends of the band, infinite where it is open."""
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
    untestable: str = ""  # the reason why it cannot be tested here
    measured: bool = False  # whether it is about recorded data, which no embedded variant can replace
    note: str = ""

    def __post_init__(self) -> None:
        require(
            bool(self.tests) != bool(self.untestable),
            "tests",
            self.id,
            "give either tests or the reason why the claim is `untestable`",
        )

    @property
    def experiments(self) -> set[str]:
        """Return the names of the experiments that its tests read."""
        return {selection.experiment for test in self.tests for selection in test.selections}


@dataclass(frozen=True)
class Rules:
    """The content of `claims.yaml`: how claims are decided, the published Table I, and the claims."""

    rule: str
    draws: int  # that a verdict rests on
    table1: Mapping[str, Mapping[str, float]]
    claims: Sequence[Mapping[str, Any]]


@cache
def claim_rules() -> Rules:
    """Return the content of `claims.yaml`."""
    return record_of(Rules, FILE.name, read_yaml(FILE))


def claims() -> list[Claim]:
    """Return the claims in the order of the file."""
    return [claim_of(entry) for entry in claim_rules().claims]


def claim_of(content: Mapping[str, Any]) -> Claim:
    """Return a claim made from plain containers; raise `InputError` for wrong ones."""
    label = f"claim {echo(content.get('id'))}"
    tests = content.get("tests") or []
    require(isinstance(tests, list), f"tests of {label}", tests, "must be a list of tests")
    made = [_test_of(f"test {number} of {label}", test) for number, test in enumerate(tests, 1)]
    return record_of(Claim, label, {**content, "tests": made})


def _test_of(label: str, content: Any) -> ClaimTest:
    require(isinstance(content, Mapping), label, content, "must be a mapping")
    sides = {key: record_of(Selection, f"{key} of {label}", content[key]) for key in SIDES if content.get(key)}
    return record_of(ClaimTest, label, {**content, **sides})
