"""The study of a plan: all that helps to judge it."""

from planner.results import Plan, Study
from planner.study.advice import what_if
from planner.study.alternatives import compare_alternatives
from planner.study.cautions import better_alternatives, warnings
from planner.study.sensitivity import bottleneck, ranges, unused
from planner.study.server_values import value_of_servers
from planner.study.users import user_speeds


def study(plan: Plan, share: float | None = None, seed: int = 0) -> Study:
    """Return a plan with all that helps to judge it.

    `share` is by how much inputs may be wrong, by default as much as measured points tell; `seed` has the same meaning
    as for `plan`.
    """
    others, values = compare_alternatives(plan, seed), value_of_servers(plan, seed)
    return Study(
        plan=plan,
        alternatives=others,
        unused=unused(plan),
        server_values=values,
        ranges=ranges(plan, share, seed),
        bottleneck=bottleneck(plan),
        warnings=(*(better_alternatives(plan, others) if plan.inventory.users is None else ()), *warnings(plan, seed)),
        user_speeds=user_speeds(plan),
        what_if=what_if(plan, values, seed),
    )
