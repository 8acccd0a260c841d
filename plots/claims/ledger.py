"""The ledger of claims.

For every published claim it has the reproduced numbers, a verdict, and the evidence in a sentence.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import isinf
from pathlib import Path
from typing import Any

import pandas as pd

from plots.claims.judging import Cell, Evidence, Finding, axis_name
from plots.claims.rules import SETS, ClaimTest, claim_rules, claims
from plots.claims.verdicts import CONSTANTS, ON_EMBEDDED, Judgement, gather, judge, labels_of
from plots.stamps import Made
from store.disk.store import data_label
from store.tables.labels import Labels
from store.tables.reading import load_records
from system.words import counted, shortened

CLAIMS = "claims"  # name of the ledger on the command line
DETAILS = re.compile(r":.*| \(.*")  # of a verdict: what its count leaves out
LONGEST_LIST = 4  # at most so many cells are named; the others are counted


def write_claims(store: Path, folder: Path) -> Made:
    """Judge the claims and write `claims.csv` and `claims.md`.

    Verdicts rest on the experiments that the store has. The outcome counts the verdicts, or says why there is nothing
    to judge.
    """
    evidence = gather(store)
    if not evidence:
        return Made(f"nothing to judge: {store} has none of the experiments that the claims need", [])
    judgements = [judge(claim, evidence) for claim in claims()]
    folder.mkdir(parents=True, exist_ok=True)
    table, text = folder / f"{CLAIMS}.csv", folder / f"{CLAIMS}.md"
    ledger_table(judgements).to_csv(table, index=False)
    basis = [basis_of(store, evidence[name]) for name in sorted(evidence) if not evidence[name].rows.empty]
    text.write_text(page(judgements, basis, labels_of(evidence)), encoding="utf-8")
    return Made(counts(judgements), [table, text])


def counts(judgements: Sequence[Judgement]) -> str:
    """Return the number of claims with each verdict.

    The total number of claims comes first, and the number of those judged on embedded data last.
    """
    verdicts = pd.Series(
        [DETAILS.sub("", judgement.verdict.replace(" under:", " in part:")) for judgement in judgements]
    )
    verdict_counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.value_counts().items())
    embedded = sum(ON_EMBEDDED in judgement.verdict for judgement in judgements)
    basis = f"; {embedded} of them on embedded data, not on recorded data" if embedded else ""
    return f"{len(judgements):4} claims: {verdict_counts}{basis}"


def ledger_table(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return the ledger, with a row for each claim."""
    rows = [
        {
            "id": claim.id,
            "claim": claim.claim,
            "source": claim.source,
            "published": claim.published,
            **{f"reproduced_{name}": _reproduced(judgement, name) for name in SETS},
            "verdict": judgement.verdict,
            "explanation": explanation(judgement),
        }
        for judgement in judgements
        for claim in [judgement.claim]
    ]
    return pd.DataFrame(rows)


def _reproduced(judgement: Judgement, constants: str) -> str:
    """Return each test's deciding value under a set of constants.

    The values of a claim without conditions are listed under both sets.
    """
    values = {}
    for words, findings in judgement.findings.items():
        condition = judgement.conditions[words]
        if condition.get(CONSTANTS) == constants or not condition:
            others = [value for axis, value in condition.items() if axis != CONSTANTS]
            values["".join(others[-1:])] = "; ".join(_value(finding.test, finding.worst) for finding in findings)
    return " / ".join(f"{value}: {text}" if value else text for value, text in values.items())


def _value(test: ClaimTest, cell: Cell | None) -> str:
    """Return a cell's value with its interval, such as `0.2 ± 0.1 %`."""
    if cell is None:
        return "no value"
    if test.status is not None:
        return cell.label
    spread = "" if pd.isna(cell.half_width) else f" ± {_number(test, cell.half_width, digits=2)}"
    return f"{_number(test, cell.value)}{spread}{_unit(test)}"


def _number(test: ClaimTest, value: float, digits: int = 4) -> str:
    return f"{100 * value if test.unit == '%' else value:.{digits}g}"


def _unit(test: ClaimTest) -> str:
    return test.unit if test.unit in ("", "/s") else f" {test.unit}"


def explanation(judgement: Judgement) -> str:
    """Return the evidence under each condition, in sentences.

    The note of the claim comes last.
    """
    claim, verdict, findings, _ = judgement
    if claim.untestable:
        return _sentence(claim.untestable)
    if not findings:
        return _sentence(verdict)
    summaries = [_summary(words, of_tests) for words, of_tests in findings.items()]
    return " ".join([*map(_sentence, summaries), *([claim.note] if claim.note else [])])


def _summary(condition: str, findings: Sequence[Finding]) -> str:
    """Return the evidence under one condition, in words.

    It says how many cells hold, which cell decides, and which cells have no mean.
    """
    cells = [cell for finding in findings for cell in finding.cells]
    undecided = list(dict.fromkeys(text for finding in findings for text in finding.undecided))
    summary = f"{condition + ': ' if condition else ''}{sum(cell.holds for cell in cells)} of {len(cells)} hold"
    doubtful = sum(cell.crosses for cell in cells)
    summary += f" ({doubtful} with an interval across the edge)" if doubtful else ""
    summary += _deciding(findings, len(cells))
    return summary + (f"; without a mean: {shortened(undecided, LONGEST_LIST)}" if undecided else "")


def _deciding(findings: Sequence[Finding], cells: int) -> str:
    """Return the deciding cell in words.

    It is the cell that fails by most. If a single test holds, it is the cell nearest to failing. If
    several tests all hold, the text is empty.
    """
    first = min(findings, key=_order)
    if first.worst is None or (first.holds and len(findings) > 1):
        return ""
    if first.test.status is not None:
        return f" ({first.worst.label})"
    lead = "" if cells == 1 else "nearest to failing, " if first.holds else "furthest off, "
    where = f" at {first.worst.label}" if first.worst.label else ""
    return f"; {lead}{first.test.measures}: {_value(first.test, first.worst)}{where}"


def _order(finding: Finding) -> tuple[bool, float]:
    """Return a sort key that puts the worst failures first."""
    return finding.holds, finding.worst.margin if finding.worst is not None else float("-inf")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."


def page(judgements: Sequence[Judgement], basis: Sequence[str], labels: Labels) -> str:
    """Return the ledger as a page of Markdown.

    The page lists the experiments that it rests on (`basis`), then has a table and a paragraph for each claim.
    """
    heads = ["", "claim", "published", *(labels(CONSTANTS, name) for name in SETS), "verdict"]
    columns = ["id", "claim", "published", *(f"reproduced_{name}" for name in SETS), "verdict"]
    lines = [
        "# Claims",
        "",
        *(f"- {text}" for text in basis),
        "",
        claim_rules().rule,
        "",
        "A number is that of the cell that decides its test, furthest outside the band or nearest to its edge; where a",
        "claim has several tests, their numbers stand in the order of the list at the end of its paragraph.",
        "",
        _markdown_row(heads),
        _markdown_row(["---"] * len(heads)),
        *map(_markdown_row, ledger_table(judgements)[columns].to_numpy()),
        *(line for judgement in judgements for line in _paragraph(judgement)),
    ]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _paragraph(judgement: Judgement) -> list[str]:
    claim = judgement.claim
    tests = [f"- {test.measures}{_band(test)}" for test in claim.tests]
    head = f"**{claim.id}. {claim.claim}** ({claim.source}; published: {claim.published}) *{judgement.verdict}*."
    return ["", head, explanation(judgement), *([""] if tests else []), *tests]


def _band(test: ClaimTest) -> str:
    """Return the band and the axes of a test in words."""
    axes = f", for each {', '.join(axis_name(test, axis) for axis in test.axes)}" if test.axes else ""
    if test.status is not None:
        return f": one must be {test.status}{axes}"
    every = ", in every draw" if test.draws == "every" else ""
    return f": {_between(*test.ends, partial(_number, test))}{_unit(test)}{axes}{every}"


def _between(low: float, high: float, number: Callable[[float], str]) -> str:
    if low == high:
        return number(low)
    if isinf(low) or isinf(high):
        return f"at most {number(high)}" if isinf(low) else f"at least {number(low)}"
    return f"{number(low)} to {number(high)}"


def basis_of(store: Path, evidence: Evidence) -> str:
    """Return the draws, networks and workloads of an experiment's points in a line.

    The line has the label of embedded data, if there is any.
    """
    records = load_records(evidence.name, store)
    cases = [record["configuration"] for point in evidence.points["point"] for record in records[point][:1]]
    networks = sorted({_source_of(case["cluster"]["network"]) for case in cases})
    workloads = sorted({_source_of(case["workload"]) for case in cases})
    draws = counted(evidence.draws, "draw")
    sources = f"network {', '.join(networks)}; workload {', '.join(workloads)}"
    return "; ".join([f"{evidence.name}: {draws}", sources, *data_label(evidence.name)])


def _source_of(part: Mapping[str, Any]) -> str:
    """Return a network or workload in words: class and data set."""
    dataset = part.get("dataset")
    kind = str(part["_target_"]).rsplit(".", 1)[-1]
    return f"{kind} of {dataset['name']}" if dataset else kind
