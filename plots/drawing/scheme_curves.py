"""Mean response times of complete schemes along an axis.

They stand beside theory and beside the lower bound that no scheme can beat.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from plots.drawing.curves import FLOOR, Curve, Curves, curves_of, mean_responses
from plots.drawing.style import curve, over_draws
from store.tables.labels import Labels

NOTE = (
    "means of {draws} clusters with 95 % intervals; at the upper edge, in a scheme's colour: n/{draws} clusters on\n"
    "which it is unstable or infeasible, so that there is no mean, or a mean that lies beyond the frame"
)
FRAME = 2  # height of the frame, as a multiple of the greatest mean of the best scheme


def curves_of_schemes(rows: pd.DataFrame, labels: Labels, shown: Sequence[str]) -> Curves:
    """Return the curves of a figure of schemes.

    The panels and the x axis of the figure show the axes `shown`.
    """
    return curves_of(mean_responses(rows), labels, shown, "algorithm")


def draw_schemes(axes: Axes, rows: pd.DataFrame, curves: Iterable[Curve], axis: str, draws: int) -> None:
    """Draw the curves of some rows, with notes.

    The notes are on points that schemes lack or that lie beyond the frame.
    """
    present = [line for line in curves if (rows["curve"] == line.label).any()]
    means = {line.label: over_draws(rows[rows["curve"] == line.label], axis) for line in present}
    for line in present:
        if line.is_plain or len(means[line.label]):
            curve(axes, line.look, means[line.label], line.label)
    schemes = [line for line in present if line.is_plain]
    floors = [means[line.label]["mean"] for line in present if FLOOR in line.rest]
    top = _frame(axes, {line.label: means[line.label]["mean"] for line in schemes}, floors)
    coordinates = pd.to_numeric(rows[axis]).unique()
    for level, scheme in enumerate(schemes):
        of_scheme = rows[rows["curve"] == scheme.label].assign(coordinate=lambda frame: pd.to_numeric(frame[axis]))
        answered = of_scheme.groupby("coordinate")["draw"].nunique()
        notes = _notes(means[scheme.label]["mean"], answered, coordinates, draws, top)
        look = {"fontsize": "x-small", "ha": "center", "va": "top", "weight": "bold", "color": scheme.look["color"]}
        for coordinate, note in notes.items():
            axes.text(coordinate, 0.98 - 0.06 * level, note, transform=axes.get_xaxis_transform(), **look)


def _frame(axes: Axes, means: Mapping[str, pd.Series], floors: Iterable[pd.Series]) -> float:
    """Cut the frame above the best scheme; return its edge.

    The value returned is the upper end of the frame. The best scheme is the one with the lowest greatest mean among the
    schemes with the most points. Without such a scheme the frame is left as it is.
    """
    longest = max(map(len, means.values()), default=0)
    whole = [mean for mean in means.values() if len(mean) == longest > 0]
    low, high = axes.get_ylim()
    if whole:
        lowest = min(mean.min() for mean in (*whole, *floors) if len(mean))
        low, high = 0.9 * lowest, min(1.05 * high, FRAME * min(mean.max() for mean in whole))
    axes.set_ylim(low, high)
    return high


def _notes(
    means: pd.Series, answered: pd.Series, coordinates: Iterable[float], draws: int, top: float
) -> dict[float, str]:
    """Return the notes at the upper edge by coordinate.

    A note gives the number of draws without a value, or a mean that lies beyond the frame.
    """
    counts = {coordinate: int(answered.get(coordinate, 0)) for coordinate in coordinates}
    notes = {coordinate: f"{draws - count}/{draws}" for coordinate, count in counts.items() if count < draws}
    return notes | {float(str(coordinate)): f"{mean:.0f} s" for coordinate, mean in means.items() if mean > top}
