"""Texts of a figure: splitting long lines, and whether all texts can be read."""

import re
from collections.abc import Iterator
from itertools import combinations
from math import isnan
from textwrap import fill

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SHORTEST = 8  # characters of a line
FRAME_IN = 0.2  # of a legend, on both sides of its title
GAP = 0.25  # above and below the letters in a text's box, as a share of the font's size
POINTS_PER_INCH = 72
FORMULA = re.compile(r"\$[^$]*\$")
NO_BREAK = "\N{NO-BREAK SPACE}"


def wrap(text: Text, room_in: float) -> None:
    """Split the lines of a text until none is longer than its room."""
    lines = text.get_text().splitlines()
    most = max(map(len, lines), default=0)
    while (length_in := _length_in(text)) > room_in and most > SHORTEST:
        most = max(SHORTEST, int(most * min(0.95, room_in / length_in)))
        text.set_text("\n".join(_filled(line, most) for line in lines))


def wrap_note(text: Text, room_in: float) -> None:
    """Split a text that is longer than its room anew, wherever it was split."""
    if _length_in(text) > room_in:
        text.set_text(" ".join(text.get_text().split()))
        wrap(text, room_in)


def wrap_legend(legend: Legend, room_in: float) -> None:
    """Split the texts of a legend that is wider than its room."""
    wrap_note(legend.get_title(), room_in - FRAME_IN)
    excess_in = legend.get_window_extent().width / legend.figure.dpi - room_in
    longest_in = max(map(_length_in, legend.get_texts()), default=0.0)
    for text in legend.get_texts() if excess_in > 0 else ():
        wrap(text, longest_in - excess_in)


def _filled(line: str, most: int) -> str:
    """Split a line after at most so many characters, but not within a formula."""
    whole = FORMULA.sub(lambda formula: formula[0].replace(" ", NO_BREAK), line)
    return fill(whole, most, break_long_words=False, break_on_hyphens=False).replace(NO_BREAK, " ")


def _length_in(text: Text) -> float:
    box = text.get_window_extent()
    return (box.height if text.get_rotation() == 90 else box.width) / text.figure.dpi


def are_readable(figure: Figure) -> bool:
    """Return whether all texts and legends are apart and inside the figure.

    Slanted texts do not count, nor does a text on a curve.
    """
    boxes, frame = list(_boxes(figure)), figure.bbox.padded(1)
    inside = all(frame.containsx(box.x0) and frame.containsx(box.x1) for box in boxes)
    return inside and not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def _boxes(figure: Figure) -> Iterator[Bbox]:
    for axes in figure.axes:
        texts = [axes.title, *axes.texts]
        texts += [*_texts_of(axes.xaxis), *_texts_of(axes.yaxis)] if axes.axison else []
        shown = [text for text in texts if text.get_visible() and text.get_text() and text.get_rotation() % 90 == 0]
        yield from map(_box_of_letters, shown)
        yield from (legend.get_window_extent() for legend in [axes.get_legend()] if legend)
    yield from map(_box_of_letters, figure.texts)
    yield from (legend.get_window_extent() for legend in figure.legends)


def _box_of_letters(text: Text) -> Bbox:
    return text.get_window_extent().padded(0, -GAP * float(text.get_fontsize()) / POINTS_PER_INCH * text.figure.dpi)


def _texts_of(axis: Axis) -> Iterator[Text]:
    """Yield the label of an axis and the labels of its ticks in view."""
    low, high = sorted(axis.get_view_interval())
    yield axis.label
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        if low <= tick.get_loc() <= high:
            yield tick.label1


def statistic_name(metric: str, quantile: float) -> str:
    """Return the metric of a statistic, with the quantile if it has one."""
    return metric if isnan(quantile) else f"{metric} at {quantile:g}"


def seconds_of(mean_s: float, half_width_s: float) -> str:
    """Return a mean with its half-width, rounded.

    The mean has three digits or two decimals, whichever is less. The half-width has the same number of decimals.
    """
    digits = 0 if mean_s >= 100 else 1 if mean_s >= 10 else 2
    spread = "" if isnan(half_width_s) else f" ± {half_width_s:.{digits}f}"
    return f"{mean_s:.{digits}f}{spread}"
