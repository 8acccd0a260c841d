"""Mean response times of complete schemes along an axis.

They stand beside theory and beside the lower bound that no scheme can beat.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from plots.drawing.curves import FLOORS, Curve, Curves, curves_of, draw_curves, mean_responses
from plots.drawing.panels import REFUSED, Panel
from plots.drawing.style import curve, over_draws
from store.tables.labels import Labels

NOTE = (
    "means of {draws} clusters with 95 % intervals; above a panel, in a scheme's colour: n/m, if it is unstable or\n"
    "infeasible on n of m clusters, so that there is no mean, or a mean that lies beyond the frame"
)
REFUSALS = (
    "means of {draws} clusters with 95 % intervals; above a panel, in a curve's colour: n/m, if it is unstable or\n"
    "infeasible on n of m clusters, so that there is no mean"
)
LEVEL_PT, TITLE_PT = 9, 6  # height of a line of notes, and of the space below a title
FRAME = 2  # height of the frame, as a multiple of the greatest mean of the best scheme


def curves_of_schemes(rows: pd.DataFrame, labels: Labels, shown: Sequence[str]) -> Curves:
    """Return the curves of a figure of schemes.

    The panels and the x axis of the figure show the axes `shown`.
    """
    return curves_of(mean_responses(rows), labels, shown, "algorithm")


def draw_schemes(axes: Axes, panel: Panel, curves: Sequence[Curve], axis: str, title: str) -> None:
    """Draw the curves of a panel with title and notes.

    The notes are on points that schemes lack or that lie beyond the frame.
    """
    means = {line.label: over_draws(panel.rows[panel.rows["curve"] == line.label], axis) for line in curves}
    present = [line for line in curves if line.is_plain or len(means[line.label])]
    for line in present:
        curve(axes, line.look, means[line.label], line.label)
    schemes = [line for line in present if line.is_plain]
    floors = [means[line.label]["mean"] for line in present if not set(FLOORS).isdisjoint(line.rest)]
    top = _frame(axes, {line.label: means[line.label]["mean"] for line in schemes}, floors)
    notes = [_refused(line, panel, axis) | _beyond(means[line.label]["mean"], top) for line in schemes]
    _write_above(axes, list(zip(schemes, notes, strict=True)), title)


def draw_with_refusals(axes: Axes, panel: Panel, curves: Sequence[Curve], axis: str, title: str) -> None:
    """Draw all curves of a panel with title and notes on refused points."""
    draw_curves(axes, panel.rows, curves, axis)
    _write_above(axes, [(line, _refused(line, panel, axis)) for line in curves], title)


def _write_above(axes: Axes, notes: Sequence[tuple[Curve, Mapping[float, str]]], title: str) -> None:
    """Write notes above a panel, and the title above them.

    Each curve with notes has a line in its colour, with a text at each coordinate.
    """
    written = [(line, note) for line, note in notes if note]
    for level, (line, note) in enumerate(written):
        look = {"fontsize": "x-small", "ha": "center", "va": "bottom", "weight": "bold", "color": line.look["color"]}
        for coordinate, text in note.items():
            axes.annotate(
                text, (coordinate, 1), (0, 2 + LEVEL_PT * level), axes.get_xaxis_transform(), "offset points", **look
            )
    axes.set_title(title, pad=TITLE_PT + LEVEL_PT * len(written))


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


def _refused(line: Curve, panel: Panel, axis: str) -> dict[float, str]:
    """Return lacking draws by coordinate, such as 3/20."""
    points = line.points_in(panel.points)
    refused = points[points["status"].isin(REFUSED)]
    answered = panel.rows.groupby("point")["draw"].nunique()
    lacking = refused["draws"] - refused["point"].map(answered).fillna(0).astype(int)
    return {
        float(coordinate): f"{count}/{draws}"
        for coordinate, count, draws in zip(refused[axis], lacking, refused["draws"], strict=True)
    }


def _beyond(means: pd.Series, top: float) -> dict[float, str]:
    """Return the means that lie beyond the frame by coordinate."""
    return {float(str(coordinate)): f"{mean:.0f} s" for coordinate, mean in means.items() if mean > top}
