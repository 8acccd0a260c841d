"""Fig. 3a: mean response time over load under each dispatch policy, simulated, and JFFC's exact value."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plots.style import POLICY_NAMES, by_constants, curve, legend_below, new_figure, over_draws

PER_DRAW = ["demand.load", "draw", "replication"]


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """Above the means, below what a policy loses against JFFC on the same jobs, where the eye can tell them apart."""
    means = rows[rows["metric"] == "response_mean_s"]
    columns = means["constants"].nunique()
    figure, panels = new_figure(columns, lines=2)
    for axes, shown, title in by_constants(panels[:columns], means):
        _draw_means(axes, shown, draws)
        axes.set(title=title, ylabel="mean response time (s)")
    for axes, shown, title in by_constants(panels[columns:], means):
        _draw_losses(axes, shown, draws)
        axes.set(title=f"{title}, paired", ylabel="mean response time beyond JFFC's (s)")
    for axes in panels:
        axes.set(xlabel="load λ/ν", xlim=(0, 1))
    legend_below(figure, panels[0], len(POLICY_NAMES) + 1, _left_out(means))
    return figure


def _draw_means(axes: Axes, rows: pd.DataFrame, draws: int) -> None:
    simulated = rows[rows["evaluator"] == "simulation"]
    for policy, name in POLICY_NAMES.items():
        curve(axes, policy, over_draws(simulated[simulated["dispatch"] == policy], "demand.load", draws), name)
    curve(axes, "exact", over_draws(rows[rows["evaluator"] == "exact"], "demand.load", draws), "JFFC, exact")


def _draw_losses(axes: Axes, rows: pd.DataFrame, draws: int) -> None:
    """Every policy meets the same jobs on the same clusters, so the intervals are those of paired differences."""
    simulated = rows[rows["evaluator"] == "simulation"]
    by_policy = simulated.pivot_table(index=PER_DRAW, columns="dispatch", values="value")
    for policy, name in POLICY_NAMES.items():
        loss_s = (by_policy[policy] - by_policy["jffc"]).dropna().rename("value").reset_index()
        curve(axes, policy, over_draws(loss_s, "demand.load", draws), name)


def _left_out(rows: pd.DataFrame) -> str | None:
    """Policies that lack a load which others have: they have no steady state there."""
    simulated = rows[rows["evaluator"] == "simulation"]
    loads = {name: set(simulated.loc[simulated["dispatch"] == name, "demand.load"]) for name in POLICY_NAMES}
    missing = {name: sorted(set(simulated["demand.load"]) - there) for name, there in loads.items() if there}
    lacking = [f"{POLICY_NAMES[name]} at {', '.join(places)}" for name, places in missing.items() if places]
    return f"no steady state: {'; '.join(lacking)}" if lacking else None
