"""A plan and everything that helps to judge it."""

from planner.results import Plan, Study
from planner.study.alternatives import compare_alternatives
from planner.study.cautions import of_better_alternatives, warnings
from planner.study.sensitivity import bottleneck, ranges, unused
from planner.study.server_values import value_of_servers


def study(plan: Plan, share: float = 0.3, seed: int = 0) -> Study:
    """Alternatives, value of the servers, and ranges for inputs that are off by a share; `seed` as for `plan`."""
    others = compare_alternatives(plan, seed)
    return Study(
        plan=plan,
        alternatives=others,
        unused=unused(plan),
        server_values=value_of_servers(plan, seed),
        ranges=ranges(plan, share, seed),
        bottleneck=bottleneck(plan),
        warnings=(*of_better_alternatives(plan, others), *warnings(plan, seed)),
    )
