"""Verdicts on claims in each setting, from the experiments that a store has."""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

from plots.claims.evidence import Evidence, labels_of
from plots.claims.judging import Finding, evaluate_test, short_name
from plots.claims.rules import PUBLISHED, SETS, SLOWING, TEXT, Claim, Setting, Where, claim_rules
from store.disk.store import configured_name, data_label
from store.tables.labels import Labels
from store.tables.statistics import PoolingError
from system.words import counted

CONSTANTS = "constants"
REPRODUCED, NOT_REPRODUCED, IN_PART = "reproduced", "not reproduced", "in part"
NOT_RUN, NO_VERDICT = "not run", "no verdict"
OTHER_SETTING = "not the setting of the claim"
ON_EMBEDDED = "embedded data"
Findings = Mapping[str, Sequence[Finding]]  # of the tests, by the condition in words
NOTHING: Findings = MappingProxyType({})


class Ruling(NamedTuple):
    """The verdict on a claim in one setting, what qualifies it, and the findings behind it.

    The findings `beside` it are those of the text with the other set of constants. They decide nothing.
    """

    verdict: str
    detail: str = ""
    findings: Findings = NOTHING
    beside: Findings = NOTHING
    labels: Labels = Labels()

    def __str__(self) -> str:
        """Return the verdict with its detail, such as `reproduced (4 draws)`."""
        if not self.detail:
            return self.verdict
        return f"{self.verdict} ({self.detail})" if self.findings else f"{self.verdict}: {self.detail}"


class Judgement(NamedTuple):
    """A claim with its ruling in each setting."""

    claim: Claim
    rulings: Mapping[str, Ruling]


def judge(claim: Claim, evidence: Mapping[str, Evidence]) -> Judgement:
    """Return the verdicts on a claim, by the rule of `claims.yaml`."""
    return Judgement(claim, {name: _ruling(claim, name, setting, evidence) for name, setting in claim.settings.items()})


def _ruling(claim: Claim, name: str, setting: Setting, evidence: Mapping[str, Evidence]) -> Ruling:
    if setting.none:
        is_untestable = name == SLOWING and bool(claim.settings[TEXT].none)
        return Ruling(claim_rules().words(TEXT if is_untestable else name).none)
    needs_recorded = claim.measured or name == PUBLISHED  # the published set-up is one of recorded data
    usable = {key: results for key, results in evidence.items() if not (needs_recorded and key != results.name)}
    missing = sorted(setting.experiments - usable.keys())
    if missing:
        lacking = [f"{key} on recorded data" if key in evidence else key for key in missing]
        return Ruling(NOT_RUN, ", ".join(lacking))
    results = [usable[key] for key in sorted(setting.experiments)]
    empty = [of_one for of_one in results if of_one.rows.empty]
    if empty:
        return _without_rows(empty)
    try:
        return _decided(name, setting, usable, results)
    except PoolingError as error:
        return Ruling(NO_VERDICT, f"{OTHER_SETTING}: {error}")
    except KeyError as error:
        return Ruling(NOT_RUN, f"{', '.join(sorted(setting.experiments))} with the axis {error}")


def _without_rows(evidence: Sequence[Evidence]) -> Ruling:
    """Return the ruling on a claim about experiments without rows.

    Either all of their points were skipped or refused, or all are of another setting.
    """
    refused = [results.name for results in evidence if len(results.points)]
    if refused:
        return Ruling(NO_VERDICT, f"no point of {', '.join(refused)} has a mean")
    own = [configured_name(results.name) for results in evidence]
    return Ruling(NO_VERDICT, f"{OTHER_SETTING}: no point of {', '.join(own)} is as the experiment declares it")


def _decided(name: str, setting: Setting, usable: Mapping[str, Evidence], results: Sequence[Evidence]) -> Ruling:
    """Return the ruling of a setting's tests under each of its conditions.

    In the text's setting, the first set of constants decides.
    """
    first, *others = SETS if name == TEXT else ("",)
    labels = labels_of(results)
    conditions = _conditions(setting, first)
    findings = _findings(setting, usable, conditions, labels)
    if not findings:
        return Ruling(NOT_RUN, ", ".join(sorted(setting.experiments)))
    beside: dict[str, Sequence[Finding]] = {}
    for constants in others:
        beside |= _findings(setting, usable, _conditions(setting, constants), labels, labels(CONSTANTS, constants))
    verdict, holding = _verdict(findings, lacks_some=len(findings) < len(conditions))
    detail = ", ".join(filter(None, [holding, _basis(results)]))
    return Ruling(verdict, detail, findings, beside, labels)


def _conditions(setting: Setting, constants: str) -> list[Where]:
    """Return every combination of the conditions' values.

    Each has the set of constants, if there is one.
    """
    fixed = {CONSTANTS: constants} if constants else {}
    return [
        fixed | dict(zip(setting.conditions, values, strict=True)) for values in product(*setting.conditions.values())
    ]


def _findings(
    setting: Setting, usable: Mapping[str, Evidence], conditions: Sequence[Where], labels: Labels, lead: str = ""
) -> dict[str, Sequence[Finding]]:
    """Return the findings of all tests by condition.

    Conditions without any cell are left out. Their names begin with `lead`, and name the axes with several values.
    """
    findings: dict[str, Sequence[Finding]] = {}
    several = [axis for axis, values in setting.conditions.items() if len(values) > 1]
    for condition in conditions:
        named = [f"{short_name(axis)} = {labels(axis, condition[axis])}" for axis in several]
        of_tests = [evaluate_test(test, usable, condition) for test in setting.tests]
        if any(finding.cells or finding.undecided for finding in of_tests):
            findings[", ".join(filter(None, [lead, *named]))] = of_tests
    return findings


def _verdict(findings: Findings, lacks_some: bool) -> tuple[str, str]:
    """Return a verdict, and the conditions under which it holds in part."""
    holding = [words for words, of_tests in findings.items() if all(finding.holds for finding in of_tests)]
    if len(holding) == len(findings) and not lacks_some:
        return REPRODUCED, ""
    return (IN_PART, f"with {'; '.join(holding)}") if holding else (NOT_REPRODUCED, "")


def _basis(evidence: Collection[Evidence]) -> str:
    """Return what a verdict lacks of the rule's basis; empty if nothing."""
    notes = [ON_EMBEDDED] if any(data_label(results.name) for results in evidence) else []
    draws = min(results.draws for results in evidence)
    notes += [counted(draws, "draw")] if draws < claim_rules().draws else []
    partial = [results for results in evidence if len(results.points) < results.declared_count]
    notes += [f"{len(results.points)} of {results.declared_count} points of {results.name}" for results in partial]
    return ", ".join(notes)
