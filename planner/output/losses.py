"""The parts of the card on what a plan depends on: its machines, and inputs that may be wrong."""

from planner.inventory.goals import more_is_better
from planner.results import Plan, ServerValue, Study, WhatIf
from planner.words import aligned, digits, percent, quantity_words, some_names
from system.words import counted

NONE = "none"  # change
LONGEST = 12  # rows of a table; one line sums up the others
HEADER = ["", "same layers", "planned anew", "change", "one user"]


def what_if_lines(study: Study, longest: int = LONGEST) -> list[str]:
    """Return a table of the goal's quantity on other machines."""
    plan = study.plan
    losses = [value for value in _losses(study) if _loss_change(plan, value) != NONE]
    changes = [change for change in study.what_if if not change.reason and not _is_idle(plan, change)]
    rows = [*(_change_row(plan, change) for change in changes), *(_loss_row(plan, value) for value in losses[:longest])]
    hidden = sum(len(value.servers) for value in losses[longest:])
    return [
        *(aligned(HEADER, rows) if rows else []),
        *([_legend(plan)] if rows else []),
        *([f"{counted(hidden, 'more server')} of less value"] if hidden else []),
        *_without_loss(study),
        *_other_changes(study),
        *_not_valued(study),
    ]


def _losses(study: Study) -> list[ServerValue]:
    """Return the servers that have a value."""
    return [value for value in study.server_values if _has_value(value)]


def _has_value(value: ServerValue) -> bool:
    return not value.reason or value.value_with_same_blocks is not None or value.value_of_new_plan is not None


def _legend(plan: Plan) -> str:
    return (
        f"This plan: {_quantity(plan, plan.goal_value)}. Same layers: the other machines keep theirs. Changes of at "
        f"most {percent(plan.accuracy)}, the plan's accuracy, count as none. A dash: not possible, or not computed. "
        "One user: tokens/s."
    )


def _change_row(plan: Plan, change: WhatIf) -> list[str]:
    speed = "" if change.tokens_per_s is None else digits(change.tokens_per_s)
    return [change.name, "", _quantity(plan, change.value), _change(plan, change.value), speed]


def _loss_row(plan: Plan, value: ServerValue) -> list[str]:
    name = some_names(plan.inventory, value.servers, 2)
    kept, anew = value.value_with_same_blocks, value.value_of_new_plan
    one_of = "without " if len(value.servers) == 1 else "without one of "
    return [one_of + name, _quantity(plan, kept), _quantity(plan, anew), _loss_change(plan, value), ""]


def _loss_change(plan: Plan, value: ServerValue) -> str:
    """Return what is lost, with a new plan where there is one."""
    anew = value.value_of_new_plan
    return _change(plan, value.value_with_same_blocks if anew is None else anew)


def _without_loss(study: Study) -> list[str]:
    """Return the servers without which nothing is lost."""
    plan = study.plan
    spare = [j for value in _losses(study) if _loss_change(plan, value) == NONE for j in value.servers]
    any_one = "any one of " if len(spare) > 1 else ""
    return [f"Without {any_one}{some_names(plan.inventory, spare)}, nothing is lost."] if spare else []


def _quantity(plan: Plan, value: float | None) -> str:
    return digits(value, quantity_words(plan.inventory.goal)[1])


def _change(plan: Plan, value: float | None) -> str:
    """Return by how much a value is better or worse than the plan's."""
    if value is None:
        return "-"
    share = value / plan.goal_value - 1
    if abs(share) <= plan.accuracy:
        return NONE
    is_better = (share > 0) == more_is_better(plan.inventory.goal)
    return f"{percent(abs(share))} {'better' if is_better else 'worse'}"


def _is_idle(plan: Plan, change: WhatIf) -> bool:
    """Return whether one more machine gains nothing."""
    return change.kind == "one more" and _change(plan, change.value) == NONE


def _other_changes(study: Study) -> list[str]:
    """Return the changes that gain nothing or have no value."""
    plan = study.plan
    kinds = [change.name.removeprefix("one more ") for change in study.what_if if _gains_nothing(plan, change)]
    lines = [f"One more {' or '.join(kinds)} gains nothing."] if kinds else []
    reasons: dict[str, list[str]] = {}
    for change in study.what_if:
        if change.reason:
            speed = "" if change.tokens_per_s is None else f" ({digits(change.tokens_per_s)} tokens/s for one user)"
            reasons.setdefault(change.reason, []).append(change.name + speed)
    return lines + [_reason(reason, names) for reason, names in reasons.items()]


def _gains_nothing(plan: Plan, change: WhatIf) -> bool:
    return not change.reason and _is_idle(plan, change)


def _reason(reason: str, names: list[str]) -> str:
    text = f"{', '.join(names)}: {reason}"
    return f"{text[0].upper()}{text[1:]}"


def _not_valued(study: Study) -> list[str]:
    """Return the servers without a value, grouped by the reason."""
    reasons: dict[str, list[int]] = {}
    for value in study.server_values:
        if not _has_value(value):
            reasons.setdefault(value.reason, []).extend(value.servers)
    return [f"Without {some_names(study.plan.inventory, servers)}: {reason}" for reason, servers in reasons.items()]


def share_words(study: Study) -> str:
    """Return by how much inputs may be wrong."""
    shares = {round(entry.share, 9) for entry in study.ranges}
    return f"± {percent(shares.pop())}" if len(shares) == 1 else "these factors"


def range_lines(study: Study, longest: int = LONGEST) -> list[str]:
    """Return a table of the goal's quantity with wrong inputs."""
    unit = quantity_words(study.plan.inventory.goal)[1]
    rows = [
        [entry.name, "{:.2f} to {:.2f}".format(*entry.factors), digits(entry.low, unit), digits(entry.high, unit)]
        for entry in study.ranges[:longest]
    ]
    return aligned(["", "factor", "smaller", "larger"], rows) if rows else []
