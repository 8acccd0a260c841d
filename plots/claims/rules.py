"""The rules for judging published claims, read from `claims.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from system.checks import echo, require
from system.documents.records import record_of
from system.documents.yaml_files import read_yaml
from system.errors import InputError

FILE = Path(__file__).with_name("claims.yaml")
Where = dict[str, Any]  # the value of an axis, or a list of values
SIDES = ("of", "to")  # of a comparison
SETS = ("paper", "simulator")  # of constants; the first decides, the second is evidence
PUBLISHED, TEXT, SLOWING = "published", "text", "slowing"  # the settings, in the order of the ledger
SETTINGS = (PUBLISHED, TEXT, SLOWING)
OF_MEANS = ("ratio", "excess", "reduction")  # comparisons of means over draws, not of draws


@dataclass(frozen=True)
class Selection:
    """The rows of one metric of an experiment in which the axes have the values of `where`.

    Rows that have all the values of `without` are left out. A metric with several coordinates (`at`) is taken at the
    coordinates given, or reduced over all of them by `over_at`: `min` is the least value, and `spread` is the largest
    over the least, less 1. With `least_over` the metric is replaced by the value of that axis at which it is least.
    """

    experiment: str
    metric: str
    where: Where = field(default_factory=dict)
    without: Where = field(default_factory=dict)
    at: list[float] | None = None
    over_at: Literal["min", "spread"] | None = None
    least_over: str | None = None


@dataclass(frozen=True)
class ClaimTest:
    """One quantity, and the band in which it must lie; `claims.yaml` says how that is decided.

    The quantity is `of`, or `of` compared with `to` or with the numbers `published` for the values of an axis.
    `compare` says how: `ratio` (of / to), `difference` (of - to), `excess` (of / to - 1) or `reduction` (1 - of / to).
    The quantity is computed in each cell, which is a combination of values of the `axes` (`at` counts as an
    axis). With `steps` it is the change from one value of that axis to the next, and with `trend` the rank correlation
    of all cells with that axis. `cells` keeps all cells, only that with the smallest or largest value, or their mean.
    If a test has a `status`, it only asks whether some point has that status. `says` is the sentence for a cell:
    `{value}` stands for its number with its unit, and a short name of an axis for the value there. After a colon are
    the words for a smaller, a larger and an equal number, such as `{value:fewer|more|as many}`, or `%` for a share.
    """

    measures: str
    says: str
    of: Selection
    to: Selection | None = None
    published: dict[str, dict[str, float]] | None = None
    compare: Literal["ratio", "difference", "excess", "reduction"] | None = None
    axes: list[str] = field(default_factory=list)
    at_is: str = "at"  # the meaning of the metric's coordinate `at`
    steps: str | None = None
    trend: str | None = None
    cells: Literal["all", "smallest", "largest", "mean"] = "all"
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
        by_mean = self.compare in OF_MEANS or self.trend is not None or self.cells == "mean"
        require(self.draws == "mean" or not by_mean, "draws", self.draws, "takes `mean` for ratios, trends and means")
        for key, axis in (("steps", self.steps), ("trend", self.trend)):
            require(axis is None or axis in self.axes, key, axis, "choose one of the test's axes")
        has_place = self.trend is None and self.cells != "mean"
        known = {"value", *(axis.rsplit(".", 1)[-1] for axis in self.axes if has_place)}
        unknown = sorted(_fields_of(self.says) - known)
        require(not unknown, "says", unknown, f"fill in only {', '.join(sorted(known))}")

    @property
    def selections(self) -> list[Selection]:
        """Return the selections that the test reads."""
        return [self.of] if self.to is None else [self.of, self.to]

    @property
    def ends(self) -> tuple[float, float]:
        """Return the ends of the band, infinite where it is open."""
        low, high = self.band
        return float("-inf") if low is None else low, float("inf") if high is None else high

    def on(self, experiments: Mapping[str, str]) -> "ClaimTest":
        """Return the same test on other experiments, given by the original's name."""
        of, to = (
            side and replace(side, experiment=experiments.get(side.experiment, side.experiment))
            for side in (self.of, self.to)
        )
        return replace(self, of=of or self.of, to=to)


def _fields_of(sentence: str) -> set[str]:
    """Return the names in braces; raise `InputError` for unmatched braces."""
    try:
        return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
    except ValueError as error:
        raise InputError(f"says = {sentence}: {error}; correct its braces") from error


@dataclass(frozen=True)
class Setting:
    """What decides a claim in one setting: tests, or `none`, a sentence that says why there are none.

    The tests are decided under each combination of the `conditions`. `holds` and `fails` are what the claim then says
    in plain words; empty where it says what all claims say.
    """

    tests: list[ClaimTest] = field(default_factory=list)
    conditions: dict[str, list[str]] = field(default_factory=dict)
    none: str = ""
    holds: str = ""
    fails: str = ""

    def __post_init__(self) -> None:
        given = bool(self.tests) + bool(self.none)
        remedy = "give either tests or `none`, the reason why there are none"
        require(given == 1, "tests", len(self.tests), remedy)

    @property
    def experiments(self) -> set[str]:
        """Return the names of the experiments that its tests read."""
        return {selection.experiment for test in self.tests for selection in test.selections}


@dataclass(frozen=True)
class Claim:
    """A claim, where the paper makes it, and what decides it in each setting."""

    id: str
    claim: str
    source: str
    published: str
    settings: dict[str, Setting]
    measured: bool = False  # whether it is about recorded data, which no embedded variant can replace
    of_paper: bool = True  # whether the paper makes it
    note: str = ""

    @property
    def experiments(self) -> set[str]:
        """Return the names of the experiments that its tests read, in any setting."""
        return set().union(*(setting.experiments for setting in self.settings.values()))


@dataclass(frozen=True)
class SettingWords:
    """The name of a setting, what it means, and what a verdict in it says in plain words."""

    title: str
    means: str
    none: str  # verdict of a claim without tests
    holds: str
    fails: str


@dataclass(frozen=True)
class Rules:
    """The content of `claims.yaml`: how claims are decided, the settings, the published Table I, and the claims."""

    rule: str
    draws: int  # that a verdict rests on
    headline: Sequence[str]
    settings: Mapping[str, Mapping[str, str]]
    table1: Mapping[str, Mapping[str, float]]
    claims: Sequence[Mapping[str, Any]]

    def words(self, setting: str) -> SettingWords:
        """Return the words of a setting."""
        return record_of(SettingWords, f"setting {setting}", self.settings[setting])


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
    settings = content.get("settings") or {}
    require(isinstance(settings, Mapping), f"settings of {label}", settings, "must be a mapping of settings")
    unknown = sorted(map(str, settings.keys() - set(SETTINGS)))
    require(not unknown, f"settings of {label}", unknown, f"choose from {', '.join(SETTINGS)}")
    lacking = [name for name in (PUBLISHED, TEXT) if name not in settings]
    require(not lacking, f"settings of {label}", lacking, "missing settings; give each tests or `none`")
    made = {TEXT: _setting_of(f"{TEXT} of {label}", settings[TEXT], [])}
    for name in (PUBLISHED, SLOWING):
        entry = settings.get(name, {"none": made[TEXT].none or claim_rules().words(name).none})
        made[name] = _setting_of(f"{name} of {label}", entry, made[TEXT].tests)
    return record_of(Claim, label, {**content, "settings": {name: made[name] for name in SETTINGS}})


def _setting_of(label: str, content: Any, of_text: Sequence[ClaimTest]) -> Setting:
    """Return a setting of a claim.

    With `on` it has the tests of the text on other experiments.
    """
    require(isinstance(content, Mapping), label, content, "must be a mapping")
    entries = content.get("tests") or []
    require(isinstance(entries, list), f"tests of {label}", entries, "must be a list of tests")
    tests = [_test_of(f"test {number} of {label}", test) for number, test in enumerate(entries, 1)]
    if "on" in content:
        is_named = isinstance(content["on"], Mapping) and all(isinstance(name, str) for name in content["on"].values())
        require(is_named, f"on of {label}", content["on"], "must give another experiment for each experiment")
        tests += [test.on(content["on"]) for test in of_text]
    return record_of(Setting, label, {**{key: content[key] for key in content if key != "on"}, "tests": tests})


def _test_of(label: str, content: Any) -> ClaimTest:
    require(isinstance(content, Mapping), label, content, "must be a mapping")
    sides = {key: record_of(Selection, f"{key} of {label}", content[key]) for key in SIDES if content.get(key)}
    return record_of(ClaimTest, label, {**content, **sides})
