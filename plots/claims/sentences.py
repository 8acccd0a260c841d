"""Sentences about claims: numbers with their units, findings and verdicts in plain words."""

from collections.abc import Callable, Sequence
from functools import partial
from math import floor, isinf, isnan, log10
from typing import Any

from plots.claims.judging import Cell, Finding, axis_name, short_name
from plots.claims.rules import SETTINGS, SLOWING, ClaimTest, claim_rules
from plots.claims.verdicts import IN_PART, NOT_REPRODUCED, REPRODUCED, Judgement, Ruling
from store.tables.labels import Labels
from system.words import shortened

LONGEST_LIST = 4  # at most so many cells are named; the others are counted
ROUNDING = 1e-9  # of a value: a smaller interval or difference is one of rounding


class Number:
    """The number of a cell, which knows how it is written in a sentence.

    Without a specification it is written with its interval and unit. The specification `fewer|more|as many` compares:
    it writes how much smaller or larger one side is, with the first or second word. The third word, which may be left
    out, stands alone if both sides are equal.
    """

    def __init__(self, test: ClaimTest, cell: Cell) -> None:
        self._test, self._cell = test, cell

    def __format__(self, specification: str) -> str:
        """Return the number as text."""
        test, cell = self._test, self._cell
        if test.status is not None:
            return cell.statuses
        if not specification:
            return f"{self._with_interval(cell.value)}{_unit(test)}"
        less, more, *equal = specification.split("|")
        change = {"ratio": cell.value - 1, "reduction": -cell.value}.get(test.compare or "", cell.value)
        if equal and abs(change) < ROUNDING:
            return equal[0]
        return f"{self._with_interval(abs(change))}{_unit(test)} {less if change < 0 else more}"

    def _with_interval(self, value: float) -> str:
        """Return a number, rounded to two digits of its interval if it has one."""
        scale = 100 if _is_per_cent(self._test) else 1
        number, half_width = scale * value, scale * self._cell.half_width
        if isnan(half_width) or half_width <= ROUNDING * abs(number):
            return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.{3 if scale > 1 else 4}g}"
        decimals = max(1 - floor(log10(half_width)), 0)
        return f"{number:,.{decimals}f} ± {half_width:,.{decimals}f}"


class Coordinate:
    """The value of an axis in a sentence; `%` writes a share in per cent."""

    def __init__(self, value: Any, label: str) -> None:
        self._value, self._label = value, label

    def __format__(self, specification: str) -> str:
        """Return the value as text."""
        return f"{100 * float(self._value):.3g} %" if specification == "%" else self._label


def _is_per_cent(test: ClaimTest) -> bool:
    """Return whether numbers of a test are written in per cent.

    Ratios are if they are compared in words.
    """
    return test.unit == "%" or (test.compare == "ratio" and "|" in test.says)


def _unit(test: ClaimTest) -> str:
    unit = "%" if _is_per_cent(test) else test.unit
    return f" {unit}" if unit else ""


def sentence_of(finding: Finding, labels: Labels) -> str:
    """Return the sentence of the cell that decides a finding."""
    test, cell = finding.test, finding.worst
    if cell is None:
        return f"{test.measures}: no value"
    axis_of = {short_name(axis): axis for axis in test.axes}
    named = {name: Coordinate(value, labels(axis_of[name], value)) for name, value in cell.coordinates.items()}
    lead = "at worst, " if len(finding.cells) > 1 else ""
    return lead + test.says.format(value=Number(test, cell), **named)


def deciding(findings: Sequence[Finding]) -> list[Finding]:
    """Return the finding that fails by most, or all findings if all hold."""
    failing = [finding for finding in findings if not finding.holds]
    return [min(failing, key=_margin)] if failing else list(findings)


def _margin(finding: Finding) -> float:
    return finding.worst.margin if finding.worst is not None else float("-inf")


def number_sentences(ruling: Ruling) -> str:
    """Return the numbers that decide a verdict, as sentences under each condition."""
    texts = {
        words: "; ".join(sentence_of(finding, ruling.labels) for finding in deciding(of_tests))
        for words, of_tests in ruling.findings.items()
    }
    return " / ".join(f"{words}: {text}" if words else text for words, text in texts.items())


def in_plain_words(judgement: Judgement) -> str:
    """Return what all verdicts on a claim come to, in plain words."""
    spoken = [_spoken(judgement, name) for name in SETTINGS]
    return " ".join(dict.fromkeys(filter(None, spoken)))


def _spoken(judgement: Judgement, name: str) -> str:
    """Return what a verdict says; nothing where no verdict is meant to be yet."""
    setting, ruling, words = judgement.claim.settings[name], judgement.rulings[name], claim_rules().words(name)
    if setting.none:
        return "" if name == SLOWING else setting.none
    if ruling.verdict == REPRODUCED:
        return setting.holds or words.holds
    if ruling.verdict == NOT_REPRODUCED:
        return setting.fails or words.fails
    lead = f"{words.holds.rstrip('.')}, " if ruling.verdict == IN_PART else ""
    return as_sentence(f"{lead}{ruling}")


def as_sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def evidence_of(judgement: Judgement, name: str) -> str:
    """Return the evidence for a verdict under each condition, in sentences.

    What decides under the other constants comes after it. Without tests it is the reason why there are none.
    """
    ruling, reason = judgement.rulings[name], judgement.claim.settings[name].none
    if not ruling.findings:
        return reason
    decided = {words: (of_tests, of_tests) for words, of_tests in ruling.findings.items()}
    beside = {words: (of_tests, deciding(of_tests)) for words, of_tests in ruling.beside.items()}
    summaries = [
        f"{words + ': ' if words else ''}{_summary(of_tests, chosen, ruling.labels)}"
        for words, (of_tests, chosen) in (decided | beside).items()
    ]
    return " ".join(map(as_sentence, summaries))


def _summary(findings: Sequence[Finding], chosen: Sequence[Finding], labels: Labels) -> str:
    """Return the evidence under one condition, in words.

    It says how many cells hold, what the deciding cell of each chosen test says, and which cells have no value.
    """
    cells = [cell for finding in findings for cell in finding.cells]
    undecided = list(dict.fromkeys(text for finding in findings for text in finding.undecided))
    summary = f"{sum(cell.holds for cell in cells)} of {len(cells)} hold"
    doubtful = sum(cell.crosses for cell in cells)
    summary += f" ({doubtful} with an interval across the edge)" if doubtful else ""
    spoken = [sentence_of(finding, labels) for finding in chosen if finding.cells]
    summary += f"; {'; '.join(spoken)}" if spoken else ""
    return summary + (f"; without a value: {shortened(undecided, LONGEST_LIST)}" if undecided else "")


def band_of(test: ClaimTest) -> str:
    """Return the band and the axes of a test in words."""
    kept = [] if test.trend or test.cells == "mean" else test.axes
    axes = f", for each {', '.join(axis_name(test, axis) for axis in kept)}" if kept and test.cells == "all" else ""
    if test.status is not None:
        return f"one must be {test.status}"
    every = ", in every draw" if test.draws == "every" else ""
    return f"{_between(*test.ends, partial(_bound, test))}{axes}{every}"


def _bound(test: ClaimTest, value: float) -> str:
    """Return an end of a band, with the unit of the measure."""
    scaled = f"{100 * value:.4g} %" if test.unit == "%" else f"{value:.4g}"
    return scaled if test.unit in ("", "%") else f"{scaled} {test.unit}"


def _between(low: float, high: float, bound: Callable[[float], str]) -> str:
    if low == high:
        return bound(low)
    if isinf(low) or isinf(high):
        return f"at most {bound(high)}" if isinf(low) else f"at least {bound(low)}"
    return f"{bound(low)} to {bound(high)}"
