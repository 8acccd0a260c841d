"""Fig. 8: mean response time of PETALS, BPRR and the proposed scheme, over cluster size and fast share."""

from itertools import product

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.scheme_curves import NOTE, curves_of_schemes, draw_schemes
from plots.drawing.style import legend_below, new_figure
from store.tables.labels import Labels

SHARE, SERVERS = "cluster.fast_share", "cluster.server_count"


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each set of constants and fast share.

    Sets of constants are lines of panels, and fast shares are columns.
    """
    drawn = curves_of_schemes(rows, labels, ["constants", SHARE, SERVERS])
    sets, shares = drawn.rows["constants"].unique(), drawn.rows[SHARE].unique()
    figure, panels = new_figure(len(shares), len(sets), size_in=(14, 3.2 * len(sets)))
    for axes, (constants, share) in zip(panels, product(sets, shares), strict=True):
        of_cell = drawn.rows[(drawn.rows["constants"] == constants) & (drawn.rows[SHARE] == share)]
        if of_cell.empty:  # all of its points were skipped or failed
            axes.set_axis_off()
            continue
        draw_schemes(axes, of_cell, drawn.curves, SERVERS, draws)
        title = f"{float(share):.0%} fast servers\n{labels('constants', constants)}"
        axes.set(xlabel="servers J", ylabel="mean response time (s)", title=title)
        axes.set_xticks(pd.to_numeric(of_cell[SERVERS]).unique())
    legend_below(figure, panels, 5, NOTE.format(draws=draws))
    return figure
