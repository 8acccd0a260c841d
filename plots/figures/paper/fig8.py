"""Fig. 8: mean response time of PETALS, BPRR and the proposed scheme, over cluster size and fast share."""

from itertools import chain

from matplotlib.figure import Figure

from plots.drawing.panels import Panel, draws_in, panel_grid
from plots.drawing.scheme_curves import NOTE, curves_of_schemes, draw_schemes
from plots.drawing.style import legend_below, new_figure
from store.tables.labels import Labels
from store.tables.reading import Results

CONSTANTS, SHARE, SERVERS = "constants", "cluster.fast_share", "cluster.server_count"


def draw(results: Results, labels: Labels) -> Figure:
    """Draw a panel for each set of constants and fast share.

    Sets of constants are lines of panels, and fast shares are columns.
    """
    rows, curves = curves_of_schemes(results.rows, labels, [CONSTANTS, SHARE, SERVERS])
    grid = panel_grid(Results(rows, results.points), CONSTANTS, SHARE)
    figure, frames = new_figure(len(grid[0]), len(grid), size_in=(14, 3.2 * len(grid)))
    for axes, panel in zip(frames, chain(*grid), strict=True):
        if panel.rows.empty:  # all of its points were skipped or failed
            axes.set_axis_off()
            continue
        draw_schemes(axes, panel, curves, SERVERS, _title(panel, labels))
        axes.set(xlabel="servers J", ylabel="mean response time (s)")
        axes.set_xticks(panel.rows[SERVERS].unique())
    legend_below(figure, frames, 5, NOTE.format(draws=draws_in(results.points)))
    return figure


def _title(panel: Panel, labels: Labels) -> str:
    """Return the share of fast servers, and the constants below."""
    shares = [f"{share:.0%} fast servers" for share in (panel.setting.get(SHARE),) if share is not None]
    return "\n".join(
        [*shares, *(labels(CONSTANTS, panel.setting[axis]) for axis in panel.setting if axis == CONSTANTS)]
    )
