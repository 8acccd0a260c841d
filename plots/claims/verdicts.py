"""Verdicts on claims, from the experiments that a store has."""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from plots.claims.judging import Evidence, Finding, evaluate_test
from plots.claims.rules import Claim, Where, claim_rules, claims
from store.disk.store import EMBEDDED, Store, configured_name, data_label
from store.tables.currency import current_only
from store.tables.labels import Labels, joined, labels_in
from store.tables.reading import declared, results_of, sizes_of
from store.tables.statistics import PoolingError
from system.words import counted

CONSTANTS = "constants"
NO_VERDICT = "not the paper's setting, no verdict"
ON_EMBEDDED = "embedded data"


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

    Only points that an experiment's own file declares count: others are not of the paper's setting. Experiments that
    the store does not have are left out. The embedded variant stands in for an experiment without results of its own.
    """
    opened = Store(store)
    swept = set(opened.experiment_names())
    evidence: dict[str, Evidence] = {}
    for name in sorted({name for claim in claims() for name in claim.experiments}):
        variants = [variant for variant in (name, f"{name}{EMBEDDED}") if variant in swept]
        for variant in variants:
            results = _evidence(opened, variant)
            evidence.setdefault(name, results)
            if not results.rows.empty:
                evidence[name] = results
                break
    return evidence


def _evidence(store: Store, experiment: str) -> Evidence:
    sweep = store.experiment(experiment)
    rows, points = declared(results_of(store, current_only(sweep)))
    sizes = sizes_of(sweep)
    draws = min((sizes[point][0] for point in points["point"]), default=0)
    return Evidence(experiment, rows, points, labels_in(sweep), draws, sweep["declared_count"])


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
        lacking = [f"{name} on recorded data" if name in evidence else name for name in missing]
        return Judgement(claim, f"not run: {', '.join(lacking)}", {})
    names, labels = sorted(claim.experiments), labels_of(usable)
    empty = [name for name in names if usable[name].rows.empty]
    if empty:
        return _without_rows(claim, [usable[name] for name in empty])
    conditions = {_in_words(condition, labels): condition for condition in _conditions(claim)}
    try:
        evaluated = {
            words: [evaluate_test(test, usable, condition) for test in claim.tests]
            for words, condition in conditions.items()
        }
    except PoolingError as error:
        return _no_verdict(claim, str(error))
    except KeyError as error:
        return Judgement(claim, f"not run: {', '.join(names)} with the axis {error}", {})
    findings = {
        words: of_tests
        for words, of_tests in evaluated.items()
        if any(finding.cells or finding.undecided for finding in of_tests)
    }
    verdict = _verdict(claim, findings, conditions.keys() - findings.keys())
    basis = _basis([usable[name] for name in names])
    return Judgement(claim, f"{verdict} ({basis})" if findings and basis else verdict, findings, conditions)


def _without_rows(claim: Claim, evidence: Sequence[Evidence]) -> Judgement:
    """Return the judgement on a claim about experiments without rows.

    Either all of their points were skipped or refused, or all are of another setting.
    """
    refused = [results.name for results in evidence if len(results.points)]
    if refused:
        return Judgement(claim, f"no verdict: no point of {', '.join(refused)} has a mean", {})
    own = [configured_name(results.name) for results in evidence]
    return _no_verdict(claim, f"no point of {', '.join(own)} is as the experiment declares it")


def _no_verdict(claim: Claim, why: str) -> Judgement:
    return Judgement(claim, f"{NO_VERDICT}: {why}", {})


def _basis(evidence: Sequence[Evidence]) -> str:
    """Return what a verdict lacks of the rule's basis; empty if nothing."""
    notes = [ON_EMBEDDED] if any(data_label(results.name) for results in evidence) else []
    draws = min(results.draws for results in evidence)
    notes += [counted(draws, "draw")] if draws < claim_rules().draws else []
    partial = [results for results in evidence if len(results.points) < results.declared_count]
    notes += [f"{len(results.points)} of {results.declared_count} points of {results.name}" for results in partial]
    return ", ".join(notes)


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


def _verdict(claim: Claim, findings: Mapping[str, Sequence[Finding]], not_run: Collection[str]) -> str:
    if not findings:
        return f"not run: {', '.join(sorted(claim.experiments))}"
    holding = [words for words, of_tests in findings.items() if all(finding.holds for finding in of_tests)]
    if len(holding) == len(findings) and not not_run:
        return "reproduced"
    return f"reproduced under: {'; '.join(holding)}" if holding else "not reproduced"
