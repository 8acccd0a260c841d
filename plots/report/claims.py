"""The claims on the report: what they come to, the ledger as a table, and the settings."""

from collections.abc import Sequence
from html import escape

import pandas as pd

from plots.claims.ledger import counts, headlines, setting_title
from plots.claims.rules import SETTINGS, claim_rules
from plots.claims.sentences import evidence_of, in_plain_words, number_sentences
from plots.claims.verdicts import Judgement, Ruling
from plots.report.markup import table
from system.pages.markup import Markup, folded


def summary_of(judgements: Sequence[Judgement]) -> Markup:
    """Return the first claims in plain words, and the counts of verdicts."""
    first = "".join(map(_headline, headlines(judgements)))
    numbers = "".join(f"<li>{escape(line)}</li>\n" for line in counts(judgements))
    return Markup(f'<dl class="headlines">\n{first}</dl>\n<ul class="counts">\n{numbers}</ul>\n')


def _headline(judgement: Judgement) -> str:
    """Return a claim in plain words, with the numbers behind its verdicts."""
    numbers = {name: number_sentences(ruling) for name, ruling in judgement.rulings.items()}
    behind = "".join(
        f'<p class="numbers">{escape(setting_title(name))}: {escape(text)}.</p>\n'
        for name, text in numbers.items()
        if text
    )
    words = escape(in_plain_words(judgement))
    return f"<dt>{escape(judgement.claim.claim)}</dt><dd>{words}\n{behind}</dd>\n"


def settings_of() -> Markup:
    """Return what the settings mean, and the rule by which verdicts are reached."""
    rules = claim_rules()
    meanings = "".join(
        f"<dt>{escape(setting_title(name))}</dt><dd>{escape(rules.words(name).means)}</dd>\n" for name in SETTINGS
    )
    return Markup(
        f'<dl class="facts">\n{meanings}</dl>\n{folded("How verdicts are reached", f"<p>{escape(rules.rule)}</p>")}'
    )


def ledger_of(judgements: Sequence[Judgement]) -> Markup:
    """Return the ledger as a table.

    Verdicts stand before the claim, so that a narrow screen shows them. The evidence is folded below each claim.
    """
    lines = [
        {
            "id": judgement.claim.id,
            **{setting_title(name): _verdict(ruling) for name, ruling in judgement.rulings.items()},
            "claim": _claim(judgement),
        }
        for judgement in judgements
    ]
    return table(pd.DataFrame(lines, dtype=object), "The paper's claims and the verdicts on them")


def _claim(judgement: Judgement) -> Markup:
    """Return a claim in words, with its evidence folded below."""
    claim, rulings = judgement
    details = "".join(
        f"<p><b>{escape(setting_title(name))}</b>: {escape(evidence_of(judgement, name))}</p>\n" for name in rulings
    )
    further = [f"Published in {claim.source}: {claim.published}.", *filter(None, [claim.note])]
    note = "".join(f"<p>{escape(text)}</p>\n" for text in further)
    words = f'<p class="words">{escape(in_plain_words(judgement))}</p>'
    return Markup(f"{escape(claim.claim)}{words}{folded('Evidence', details + note)}")


def _verdict(ruling: Ruling) -> Markup:
    """Return a verdict with the numbers that decide it."""
    numbers = number_sentences(ruling)
    shown = f'<span class="verdict" data-verdict="{escape(ruling.verdict)}">{escape(str(ruling))}</span>'
    return Markup(f'{shown}<p class="numbers">{escape(numbers)}</p>' if numbers else shown)
