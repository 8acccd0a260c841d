"""The whole page of a plan."""

from collections.abc import Iterable
from string import Template

from planner.output.card import Section, card_sections
from planner.output.document import plan_document
from planner.output.page.bars import range_bars
from planner.output.page.commands import commands_of
from planner.output.page.drawing import drawing_of
from planner.output.page.sections import anchor, data_tables, key_numbers, lines_of, section
from planner.output.start_commands import exports
from planner.results import Plan, Study
from system.limits import SERVERS
from system.pages.assets import asset, common_style, sorting_script
from system.pages.markup import Markup, html_of, joined, paragraph

PICTURE, DATA = "Picture", "All numbers"


def plan_page(study: Study, title: str, best: Plan) -> str:
    """Return a study as an HTML page that needs no other files.

    Its sections are those of the card, with whole tables, a picture, and start commands that can be copied.
    """
    first, *others = card_sections(study, title, best, longest=SERVERS)
    shown = [_section(entry, study, best) for entry in others]
    names = [PICTURE, *(entry.title for entry in others), DATA]
    return Template(asset("planner.output.page", "page.html")).substitute(
        title=html_of(title),
        style=common_style() + asset("planner.output.page", "page.css"),
        script=sorting_script() + asset("planner.output.page", "page.js"),
        links=_links(names),
        summary=joined(map(paragraph, first.lines)),
        numbers=key_numbers(study.plan),
        picture=section(PICTURE, drawing_of(study.plan)),
        sections=joined(shown),
        data=section(DATA, data_tables(plan_document(study, best))),
    )


def _section(entry: Section, study: Study, best: Plan) -> Markup:
    """Return a section of the card, with what the page adds to it."""
    content = lines_of(entry.lines, entry.title)
    if entry.kind == "ranges":
        content = joined([range_bars(study), content])
    if entry.kind == "commands":
        content = joined([content, commands_of(exports(best))])
    return section(entry.title, content)


def _links(names: Iterable[str]) -> Markup:
    return joined(Markup(f'<li><a href="#{anchor(name)}">{html_of(name)}</a></li>\n') for name in names)
