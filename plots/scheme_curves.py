"""Mean response of complete schemes along an axis, beside what the theory says and what no scheme can beat."""

from collections.abc import Iterable, Mapping

import pandas as pd
from matplotlib.axes import Axes

from plots.style import curve, in_order, look_of, over_draws, scheme_name

PROPOSED = "proposed"
THEORY = (("exact", "response_mean_s", "Proposed, exact"), ("floor", "response_floor_s", "no scheme is below"))
NOTE = (
    "means of {draws} clusters with 95 % intervals; at the upper edge, in a scheme's colour: n/{draws} clusters on\n"
    "which it is unstable or infeasible, so that there is no mean, or a mean that lies beyond the frame"
)
FRAME = 2  # times the greatest mean of the best scheme


def scheme_curves(axes: Axes, rows: pd.DataFrame, axis: str, draws: int) -> None:
    """One curve a scheme, one of the exact values of the proposed one, and the floor."""
    simulated = rows[(rows["evaluator"] == "simulation") & (rows["metric"] == "response_mean_s")]
    names = in_order(simulated["algorithm"])
    means = {name: over_draws(simulated[simulated["algorithm"] == name], axis, draws) for name in names}
    for name in names:
        curve(axes, name, means[name], scheme_name(name))
    theory = {}
    for evaluator, metric, label in THEORY:
        asked = (rows["evaluator"] == evaluator) & (rows["metric"] == metric) & (rows["algorithm"] == PROPOSED)
        theory[evaluator] = over_draws(rows[asked], axis, draws)
        if len(theory[evaluator]):
            curve(axes, evaluator, theory[evaluator], label)
    top = _frame(axes, means, theory["floor"])
    places = pd.to_numeric(rows[axis]).unique()
    for level, name in enumerate(names):
        there = simulated[simulated["algorithm"] == name].assign(place=lambda found: pd.to_numeric(found[axis]))
        notes = _notes(means[name]["mean"], there.groupby("place")["draw"].nunique(), places, draws, top)
        look = {"fontsize": "x-small", "ha": "center", "va": "top", "weight": "bold", "color": look_of(name)["color"]}
        for place, note in notes.items():
            axes.text(place, 0.98 - 0.06 * level, note, transform=axes.get_xaxis_transform(), **look)


def _frame(axes: Axes, means: Mapping[str, pd.DataFrame], floor: pd.DataFrame) -> float:
    """Cut the frame above the best of the schemes that have a mean everywhere, if there are any; its upper edge."""
    places = max(len(each) for each in means.values())
    whole = [each["mean"] for each in means.values() if len(each) == places > 0]
    low, high = axes.get_ylim()
    if whole:
        lowest = min(each.min() for each in (*whole, floor["mean"]) if len(each))
        low, high = 0.9 * lowest, min(1.05 * high, FRAME * min(each.max() for each in whole))
    axes.set_ylim(low, high)
    return high


def _notes(means: pd.Series, there: pd.Series, places: Iterable[float], draws: int, top: float) -> dict[float, str]:
    """What is written at the upper edge at a place: how many draws were refused, or a mean beyond the frame."""
    notes = {place: f"{draws - int(there.get(place, 0))}/{draws}" for place in places if there.get(place, 0) < draws}
    return notes | {float(str(place)): f"{mean:.0f} s" for place, mean in means.items() if mean > top}
