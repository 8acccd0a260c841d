"""Verdicts on claims, from the experiments that a store has."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from plots.claims.judging import Evidence, Finding, evaluate_test
from plots.claims.rules import Claim, Where, claims
from store.disk.store import EMBEDDED, Store
from store.tables.labels import Labels, joined, labels_in
from store.tables.reading import load_results

CONSTANTS = "constants"


class Judgement(NamedTuple):
    """A claim with its verdict and the findings of its tests.

    The keys of `findings` and `conditions` are the conditions in words.
    """

    claim: Claim
    verdict: str
    findings: dict[str, list[Finding]]
    conditions: Mapping[str, Where] = MappingProxyType({})


def gather(store: Path) -> dict[str, Evidence]:
    """Return the results of the experiments that claims need.

    Experiments that the store does not have are left out. The embedded variant stands in for an experiment without
    results of its own.
    """
    opened = Store(store)
    swept = set(opened.experiment_names())
    evidence = {}
    for name in sorted({name for claim in claims() for name in claim.experiments}):
        for variant in (f"{name}{EMBEDDED}", name):
            results = load_results(variant, store) if variant in swept else None
            if results and not results.rows.empty:
                evidence[name] = Evidence(variant, *results, labels_in(opened.experiment(variant)))
    return evidence


def labels_of(evidence: Mapping[str, Evidence]) -> Labels:
    """Return the labels of all experiments that were judged."""
    return joined(results.labels for results in evidence.values())


def judge(claim: Claim, evidence: Mapping[str, Evidence]) -> Judgement:
    """Return the verdict on a claim, by the rule of `claims.yaml`."""
    if claim.untestable:
        return Judgement(claim, "not testable here", {})
    usable = {name: results for name, results in evidence.items() if not (claim.measured and name != results.name)}
    missing = sorted(claim.experiments - usable.keys())
    if missing:
        return Judgement(claim, f"not run: {', '.join(missing)}", {})
    conditions = {_in_words(condition, labels_of(usable)): condition for condition in _conditions(claim)}
    try:
        evaluated = {
            words: [evaluate_test(test, usable, condition) for test in claim.tests]
            for words, condition in conditions.items()
        }
    except KeyError as error:
        return Judgement(claim, f"not run: {', '.join(sorted(claim.experiments))} with the axis {error}", {})
    findings = {
        words: of_tests
        for words, of_tests in evaluated.items()
        if any(finding.cells or finding.undecided for finding in of_tests)
    }
    return Judgement(claim, _verdict(claim, findings), findings, conditions)


def _conditions(claim: Claim) -> list[Where]:
    """Return every combination of the conditions' values."""
    return [dict(zip(claim.conditions, values, strict=True)) for values in product(*claim.conditions.values())]


def _in_words(condition: Where, labels: Labels) -> str:
    """Return a condition in words, such as `constants of the paper, over_length = untreated`."""
    named = [
        labels(axis, value) if axis == CONSTANTS else f"{axis.rsplit('.', 1)[-1]} = {value}"
        for axis, value in condition.items()
    ]
    return ", ".join(named)


def _verdict(claim: Claim, findings: Mapping[str, Sequence[Finding]]) -> str:
    if not findings:
        return f"not run: {', '.join(sorted(claim.experiments))}"
    holding = [words for words, of_tests in findings.items() if all(finding.holds for finding in of_tests)]
    if len(holding) == len(findings):
        return "reproduced"
    return f"reproduced under: {'; '.join(holding)}" if holding else "not reproduced"
