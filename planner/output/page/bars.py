"""Sensitivity as bars: the range of the goal's quantity for each input that may be wrong."""

from planner.inventory.goals import more_is_better
from planner.results import InputRange, Study
from planner.words import digits, quantity_words
from system.pages.markup import Markup, html_of

UNKNOWN = "unstable"


def range_bars(study: Study) -> Markup:
    """Return a bar for each input, with a line at the plan's own value."""
    goal, (quantity, unit) = study.plan.goal_value, quantity_words(study.plan.inventory.goal)
    known = [value for entry in study.ranges for value in (entry.low, entry.high) if value is not None]
    low, high = min([goal, *known]), max([goal, *known])
    span = (high - low) or 1.0
    middle = 100 * (goal - low) / span
    worst = 0.0 if more_is_better(study.plan.inventory.goal) else 100.0
    bars = "".join(_bar(entry, low, span, unit, worst) for entry in study.ranges)
    label = f"{quantity} when an input is wrong; the line is the plan's {digits(goal, unit)}"
    return Markup(
        f'<figure class="bars" style="--goal: {middle:.2f}">\n{bars}'
        f"<figcaption>{html_of(label)}</figcaption></figure>\n"
    )


def _bar(entry: InputRange, low: float, span: float, unit: str, worst: float) -> str:
    """Return one bar; an unknown value is at the worst end of the scale."""
    ends = [100 * (value - low) / span if value is not None else worst for value in (entry.low, entry.high)]
    texts = [UNKNOWN if value is None else digits(value, unit) for value in (entry.low, entry.high)]
    left, right = sorted(ends)
    is_open = ' data-open="yes"' if None in (entry.low, entry.high) else ""
    return (
        f'<div class="bar"><span>{html_of(entry.name)}</span>'
        f'<span class="track"><i style="left: {left:.2f}%; width: {max(right - left, 0.4):.2f}%"{is_open}></i></span>'
        f"<span>{html_of(f'{texts[0]} to {texts[1]}')}</span></div>\n"
    )
