"""The ledger of claims.

For every published claim it has the verdict in each setting, the numbers behind it, and a sentence in plain words.
"""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from plots.claims.evidence import basis_of, gather
from plots.claims.rules import SETTINGS, SLOWING, TEXT, claim_rules, claims
from plots.claims.sentences import band_of, evidence_of, in_plain_words, number_sentences
from plots.claims.verdicts import IN_PART, NOT_REPRODUCED, ON_EMBEDDED, REPRODUCED, Judgement, judge
from plots.stamps import Made
from system.words import counted

CLAIMS = "claims"  # name of the ledger on the command line
LETTERS = dict(zip(SETTINGS, "abc", strict=True))
WIDTH = 120  # columns of a terminal
COUNTED = (REPRODUCED, IN_PART, NOT_REPRODUCED)  # first, as they rest on rows; then the other verdicts


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
    text.write_text(page(judgements, basis), encoding="utf-8")
    return Made("; ".join(counts(judgements)), [table, text])


def ledger_table(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return the ledger, with a row for each claim and setting."""
    rows = [
        {
            "id": claim.id,
            "claim": claim.claim,
            "source": claim.source,
            "published": claim.published,
            "setting": name,
            "verdict": ruling.verdict,
            "detail": ruling.detail,
            "numbers": number_sentences(ruling),
            "in_plain_words": in_plain_words(judgement),
            "evidence": evidence_of(judgement, name),
        }
        for judgement in judgements
        for claim in [judgement.claim]
        for name, ruling in judgement.rulings.items()
    ]
    return pd.DataFrame(rows)


def setting_title(setting: str) -> str:
    """Return the letter and the title of a setting, such as `(a) published set-up`."""
    return f"({LETTERS[setting]}) {claim_rules().words(setting).title}"


def counts(judgements: Sequence[Judgement]) -> list[str]:
    """Return the number of the paper's claims with each verdict, by setting.

    Settings in which no claim is judged yet are left out. The number of verdicts on embedded data comes last.
    """
    of_paper = [judgement for judgement in judgements if judgement.claim.of_paper]
    lines = [f"{counted(len(of_paper), 'claim')} of the paper"]
    for name in SETTINGS:
        verdicts = pd.Series([judgement.rulings[name].verdict for judgement in of_paper])
        if verdicts.isin([claim_rules().words(SLOWING).none, claim_rules().words(TEXT).none]).all():
            continue
        numbers = verdicts.value_counts()
        order = [verdict for verdict in COUNTED if verdict in numbers]
        order += sorted(set(numbers.index) - set(COUNTED))
        lines.append(f"{setting_title(name)}: {', '.join(f'{numbers[verdict]} {verdict}' for verdict in order)}")
    rulings = [ruling for judgement in judgements for ruling in judgement.rulings.values()]
    embedded = sum(ON_EMBEDDED in ruling.detail for ruling in rulings)
    return [*lines, *([f"{counted(embedded, 'verdict')} on embedded data, not on recorded data"] if embedded else [])]


def headlines(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Return the judgements that are told first."""
    by_id = {judgement.claim.id: judgement for judgement in judgements}
    return [by_id[name] for name in claim_rules().headline if name in by_id]


def verdict_lines(table: Path) -> list[str]:
    """Return the verdicts of a written ledger as lines of a terminal."""
    rows = pd.read_csv(table, keep_default_na=False)
    shown = [name for name in SETTINGS if name != SLOWING]
    claim_lines = [
        (name, *(of_claim.set_index("setting").loc[shown, "verdict"]), of_claim["in_plain_words"].iloc[0])
        for name, of_claim in rows.groupby("id", sort=False)
    ]
    heads = ("", *(setting_title(name) for name in shown), "in plain words")
    widths = [max(len(line[column]) for line in (heads, *claim_lines)) + 2 for column in range(len(heads) - 1)]
    return [text for line in (heads, *claim_lines) for text in _aligned(line, widths)]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return a line of a table; its last cell may take several lines."""
    start = "".join(f"{cell:{width}}" for cell, width in zip(cells[:-1], widths, strict=True))
    texts = textwrap.wrap(cells[-1], WIDTH - len(start), break_on_hyphens=False) or [""]
    return [(start if number == 0 else " " * len(start)) + text for number, text in enumerate(texts)]


def page(judgements: Sequence[Judgement], basis: Sequence[str]) -> str:
    """Return the ledger as a page of Markdown.

    A summary and a table come first, then a paragraph for each claim, the rule, and the experiments that it rests on
    (`basis`).
    """
    heads = ["", "claim", *map(setting_title, SETTINGS), "in plain words"]
    rows = [
        [judgement.claim.id, judgement.claim.claim, *map(str, judgement.rulings.values()), in_plain_words(judgement)]
        for judgement in judgements
    ]
    lines = [
        "# Claims",
        "",
        *(f"- {text}" for text in counts(judgements)),
        *(f"- {first.claim.claim} *{in_plain_words(first)}*" for first in headlines(judgements)),
        "",
        _markdown_row(heads),
        _markdown_row(["---"] * len(heads)),
        *map(_markdown_row, rows),
        *(line for judgement in judgements for line in _paragraph(judgement)),
        "",
        "## How verdicts are reached",
        "",
        claim_rules().rule,
        "",
        *(f"- {setting_title(name)}: {claim_rules().words(name).means}" for name in SETTINGS),
        "",
        "## The experiments behind them",
        "",
        *(f"- {text}" for text in basis),
    ]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _paragraph(judgement: Judgement) -> list[str]:
    """Return a claim with its verdicts, their numbers and the bands of its tests."""
    claim = judgement.claim
    lines = ["", f"**{claim.id}. {claim.claim}** ({claim.source}; published: {claim.published})", ""]
    for name, ruling in judgement.rulings.items():
        if name == SLOWING and claim.settings[name].none in (claim.settings[TEXT].none, claim_rules().words(name).none):
            continue
        lines.append(f"- {setting_title(name)}: *{ruling}*. {evidence_of(judgement, name)}".rstrip())
        lines += [f"  - {test.measures}: {band_of(test)}" for test in claim.settings[name].tests]
    return [*lines, *(["", claim.note] if claim.note else [])]
