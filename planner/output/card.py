"""The card: a study as text for the terminal."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from planner.output.computing import hints
from planner.output.losses import LONGEST, range_lines, share_words, what_if_lines
from planner.output.machines import chain_lines, server_lines, unused_lines
from planner.output.speeds import other_lines, speed_lines, time_lines
from planner.output.start_commands import exports
from planner.output.summary import summary_lines
from planner.results import Plan, Study
from planner.words import digits, quantity_words
from system.words import counted

WIDTH = 100
DETAILS = "details"


class Section(NamedTuple):
    """A part of the card: sentences, and lines of tables (`TableLine`)."""

    title: str
    lines: Sequence[str]
    kind: str = ""  # of what the page adds to it: "commands", "ranges", or DETAILS, which only the page shows


def plan_card(study: Study, title: str, best: Plan) -> str:
    """Return the text of a study for the terminal.

    It shows the plan, its predicted times beside those of the alternatives, and what these numbers depend on.

    `best` is the best new plan; it differs from the study's plan if that is a layout that already runs.
    """
    sections = card_sections(study, title, best)
    return "\n\n".join("\n".join([name, *_wrapped(lines)]) for name, lines, kind in sections if kind != DETAILS) + "\n"


def card_sections(study: Study, title: str, best: Plan, longest: int = LONGEST) -> list[Section]:
    """Return the sections of the card, with tables of so many rows."""
    quantity, _ = quantity_words(study.plan.inventory.goal)
    sections: list[tuple[Any, ...]] = [
        (title, summary_lines(study, best)),
        ("Chains", chain_lines(study.plan, longest)),
        ("Speed for users", speed_lines(study)),
        _other_layouts(study),
        (f"What if: {quantity}", what_if_lines(study, longest)),
        (f"If inputs are wrong by {share_words(study)}: {quantity}", range_lines(study, longest), "ranges"),
        ("Warnings", list(map(_sentence, study.warnings))),
        ("Servers", server_lines(study.plan, longest), DETAILS),
        ("Not used", unused_lines(study)),
        ("Bottleneck", [_sentence(study.bottleneck)]),
        ("Start commands" + (" of the new plan" if best is not study.plan else ""), _start_commands(best), "commands"),
        ("Sizes", study.plan.inventory.derivation),
    ]
    return [section for section in (Section(*entry) for entry in sections) if section.lines]


def _other_layouts(study: Study) -> tuple[str, list[str]]:
    """Return the section that compares the plan with other uses of its servers."""
    if study.plan.inventory.users is not None:
        return "Other layouts for these users", other_lines(study)
    return f"Response times at {digits(study.plan.prediction.rate_per_s)} requests/s", time_lines(study)


def _wrapped(lines: Sequence[str]) -> Iterator[str]:
    """Yield sentences in wrapped lines, and lines of tables (indented) as they are."""
    for line in lines:
        if line.startswith("  "):
            yield line
        else:
            yield from textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _start_commands(plan: Plan) -> list[str]:
    """Return how many chains can be started with each engine, and why not all."""
    exported = exports(plan)
    lines = [
        f"{export.engine}: {len(export.chains)} of {counted(len(plan.composition), 'chain')}"
        + (f"; {export.reason}" if export.reason else "")
        for export in exported
    ]
    return [*lines, *hints(plan, exported)]
