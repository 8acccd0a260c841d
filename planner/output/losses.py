"""The parts of the card on what a plan depends on: its servers, and inputs that may be wrong."""

from planner.inventory.goals import LargestRate
from planner.results import Plan, ServerValue, Study
from planner.words import aligned, digits, percent, quantity_words, some_names
from system.words import counted

LONGEST = 12  # rows of a table; one line sums up the others
NO_LOSS = "no loss"


def loss_lines(study: Study) -> list[str]:
    """Return a table of the goal's quantity without each server."""
    valued = [value for value in study.server_values if not value.reason or value.value_with_same_blocks is not None]
    rows = [
        [
            some_names(study.plan.inventory, value.servers, 2),
            _value(study.plan, value.value_with_same_blocks),
            _value(study.plan, value.value_of_new_plan),
        ]
        for value in valued[:LONGEST]
    ]
    lines = aligned(["one of", "same blocks", "new plan"], rows) if rows else []
    hidden = sum(len(value.servers) for value in valued[LONGEST:])
    within = f"{NO_LOSS.capitalize()}: it is at most {percent(study.plan.accuracy)}, the plan's accuracy."
    return [
        *lines,
        *([within] if any(NO_LOSS in row for row in rows) else []),
        *([f"{counted(hidden, 'more server')} of less value"] if hidden else []),
        *_not_valued(study),
    ]


def _value(plan: Plan, value: float | None) -> str:
    """Return the goal's quantity without a server, or that nothing is lost."""
    sign = -1 if isinstance(plan.inventory.goal, LargestRate) else 1
    if value is not None and sign * (value / plan.goal_value - 1) <= plan.accuracy:
        return NO_LOSS
    return digits(value, quantity_words(plan.inventory.goal)[1])


def _not_valued(study: Study) -> list[str]:
    """Return the servers without a value, grouped by the reason."""
    reasons: dict[str, list[ServerValue]] = {}
    for value in study.server_values:
        if value.reason and value.value_with_same_blocks is None:
            reasons.setdefault(value.reason, []).append(value)
    unit = quantity_words(study.plan.inventory.goal)[1]
    return [
        f"{some_names(study.plan.inventory, [j for value in values for j in value.servers])}: {reason}"
        + (f" ({digits(values[0].value_of_new_plan, unit)} by a new plan)" if values[0].value_of_new_plan else "")
        for reason, values in reasons.items()
    ]


def share_words(study: Study) -> str:
    """Return by how much inputs may be wrong."""
    shares = {round(entry.share, 9) for entry in study.ranges}
    return f"± {percent(shares.pop())}" if len(shares) == 1 else "these factors"


def range_lines(study: Study) -> list[str]:
    """Return a table of the goal's quantity with wrong inputs."""
    unit = quantity_words(study.plan.inventory.goal)[1]
    rows = [
        [entry.name, "{:.2f} to {:.2f}".format(*entry.factors), digits(entry.low, unit), digits(entry.high, unit)]
        for entry in study.ranges[:LONGEST]
    ]
    return aligned(["", "factor", "smaller", "larger"], rows) if rows else []
