"""Fitting of a drawn figure to its width in print.

Panels that would be too narrow continue on further lines, and all panels keep their proportions. Texts that are too
long are wrapped, and texts that are too small are enlarged.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, GridSpecBase, SubplotSpec
from matplotlib.text import Text
from numpy.typing import NDArray

from plots.drawing.texts import are_readable, wrap, wrap_legend, wrap_note

PANEL_IN = 2.2  # usual width of a panel with its labels
NARROWEST_PANEL_IN = 1.7  # in a figure that would be higher than a page
NARROWEST_AXES_IN = 1.0  # without labels
HIGHEST_IN = 9.0
FLATTEST = 0.5  # height of a panel over its width
SHARE = 0.85  # of the width of a panel with its labels, for its legend and the label of its x axis
TITLE_SHARE = 1.0  # of the width without labels, for its title
MARGIN_IN = 0.2  # beside the legends and notes of a figure
SMALLEST_PT = 7


def fit(figure: Figure, width_in: float) -> bool:
    """Fit a figure to a width; return whether it can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of panels without room, which are not readable
        if any(axes.get_subplotspec() for axes in figure.axes):
            return _fit_panels(_drawn(figure), width_in)
        figure.set_size_inches(width_in, figure.get_figheight() * width_in / figure.get_figwidth())
        figure.draw_without_rendering()
        return are_readable(figure)


def _fit_panels(drawn: "_Drawn", width_in: float) -> bool:
    """Fit a figure with a grid of panels; return whether it can be read.

    A line has as many panels of the usual width as there is room for. It has more if the figure would be higher than a
    page, and fewer if the texts would not fit.
    """
    heights_in = {}
    for columns in _numbers_of_columns(drawn.grid.ncols, width_in) if drawn.is_plain else [drawn.grid.ncols]:
        if _apply(drawn, columns, width_in):
            heights_in[columns] = drawn.figure.get_figheight()
            if heights_in[columns] <= HIGHEST_IN:
                return True
    if heights_in:
        _apply(drawn, min(heights_in, key=heights_in.__getitem__), width_in)
    return bool(heights_in)


def _numbers_of_columns(natural: int, width_in: float) -> list[int]:
    """Return numbers of columns to try.

    Columns of usual width come first, then narrower ones, then wider ones. Panels that continue on further lines are
    spread evenly over these lines.
    """
    usual, most = (max(1, int(width_in / panel_in)) for panel_in in (PANEL_IN, NARROWEST_PANEL_IN))
    tried = [usual, *range(usual + 1, most + 1), *range(usual - 1, 0, -1)]
    return list(dict.fromkeys(-(-natural // -(-natural // columns)) for columns in tried))


@dataclass(frozen=True)
class _Drawn:
    """A figure, with its size, panels and texts as they were drawn.

    Panels are plain if each has one cell of the same grid. Others keep their cells.
    """

    figure: Figure
    width_in: float
    height_in: float
    panels: Sequence[Axes]
    specs: Sequence[SubplotSpec]
    proportions: NDArray[np.float64]  # height of each panel over its width
    texts: dict[Text, str]

    @property
    def grid(self) -> GridSpecBase:
        """Return the grid of the first panel."""
        return self.specs[0].get_gridspec()

    @property
    def is_plain(self) -> bool:
        """Return whether the panels are plain."""
        return all(spec.get_gridspec() is self.grid and spec.num1 == spec.num2 for spec in self.specs)


def _drawn(figure: Figure) -> _Drawn:
    figure.draw_without_rendering()
    panels = [axes for axes in figure.axes if axes.get_subplotspec()]
    proportions = np.array([max(FLATTEST, height / width) for width, height in map(_size_in, panels)])
    texts = {text: text.get_text() for text in figure.findobj(Text)}
    specs = [spec for axes in panels if (spec := axes.get_subplotspec())]
    width_in, height_in = figure.get_size_inches()
    return _Drawn(figure, width_in, height_in, panels, specs, proportions, texts)


def _size_in(axes: Axes) -> tuple[float, float]:
    """Return the width and height of a panel without its labels."""
    box = axes.get_window_extent()
    return box.width / axes.figure.dpi, box.height / axes.figure.dpi


def _apply(drawn: _Drawn, columns: int, width_in: float) -> bool:
    """Fit a figure with so many columns; return whether it can be read."""
    figure, panels = drawn.figure, drawn.panels
    lines = _spread_panels(drawn, columns, width_in)
    smallest_pt = min(SMALLEST_PT, mpl.rcParams["font.size"])
    for text, content in drawn.texts.items():
        text.set(text=content, fontsize=max(text.get_fontsize(), smallest_pt))
    _wrap_across(figure, panels, width_in / columns)
    _set_height(drawn, lines)
    for axes in panels:
        wrap(axes.yaxis.label, _size_in(axes)[1])
        _lower_legend(axes)
    _set_height(drawn, lines)
    for axes in panels:
        wrap(axes.title, TITLE_SHARE * _size_in(axes)[0])
    _set_height(drawn, lines)
    return are_readable(figure) and all(_size_in(axes)[0] >= NARROWEST_AXES_IN for axes in panels)


def _spread_panels(drawn: _Drawn, columns: int, width_in: float) -> int:
    """Place the panels in so many columns; return the number of lines.

    The figure gets its width and a first height.
    """
    parts = -(-drawn.grid.ncols // columns)
    scale = (width_in / columns) / (drawn.width_in / drawn.grid.ncols)
    drawn.figure.set_size_inches(width_in, drawn.height_in * parts * scale)
    lines = drawn.grid.nrows * parts
    if drawn.is_plain:
        heights = np.repeat(drawn.grid.get_height_ratios(), parts)
        grid = GridSpec(lines, columns, figure=drawn.figure, height_ratios=heights)
        for axes, spec in zip(drawn.panels, drawn.specs, strict=True):
            part, column = divmod(spec.colspan.start, columns)
            axes.set_subplotspec(grid[spec.rowspan.start * parts + part, column])
    return lines


def _set_height(drawn: _Drawn, lines: int) -> None:
    """Set the height with which panels have their proportions on average."""
    drawn.figure.draw_without_rendering()
    widths_in, heights_in = np.array([_size_in(axes) for axes in drawn.panels]).T
    missing_in = lines * float(np.mean(widths_in * drawn.proportions - heights_in))
    drawn.figure.set_figheight(drawn.figure.get_figheight() + missing_in)
    drawn.figure.draw_without_rendering()


def _wrap_across(figure: Figure, panels: Sequence[Axes], panel_in: float) -> None:
    """Wrap texts and legends to the width of their panel or figure."""
    for axes in panels:
        wrap(axes.xaxis.label, SHARE * panel_in)
        if legend := axes.get_legend():
            wrap_legend(legend, SHARE * panel_in)
    for text in figure.texts:
        wrap_note(text, figure.get_figwidth() - MARGIN_IN)
    for legend in figure.legends:
        wrap_legend(legend, figure.get_figwidth() - MARGIN_IN)


def _lower_legend(axes: Axes) -> None:
    """Move a legend below its panel to below the x axis's label."""
    legend, panel = axes.get_legend(), axes.get_window_extent()
    if legend and legend.get_window_extent().y1 < panel.y0:
        label = axes.xaxis.label.get_window_extent()
        y = (label.y0 - label.height / 2 - panel.y0) / panel.height
        legend.set_bbox_to_anchor((0.5, y), axes.transAxes)
