"""Fig. 8: mean response of PETALS, BPRR and the proposed scheme over the size of the cluster and the fast share."""

import pandas as pd
from matplotlib.figure import Figure

from plots.scheme_curves import NOTE, scheme_curves
from plots.style import CONSTANTS_TITLES, legend_below, new_figure


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """A line of panels for each set of constants, a panel for each share of fast servers."""
    shares = rows["cluster.fast_share"].unique()
    figure, panels = new_figure(len(shares), rows["constants"].nunique())
    figure.set_size_inches(14, 3.2 * rows["constants"].nunique())
    cells = rows.groupby(["constants", "cluster.fast_share"], sort=False)
    for axes, ((constants, share), of_cell) in zip(panels, cells, strict=True):
        scheme_curves(axes, of_cell, "cluster.server_count", draws)
        title = f"{float(str(share)):.0%} fast servers\n{CONSTANTS_TITLES[str(constants)]}"
        axes.set(xlabel="servers J", ylabel="mean response time (s)", title=title)
        axes.set_xticks(pd.to_numeric(of_cell["cluster.server_count"]).unique())
    legend_below(figure, panels[0], 5, NOTE.format(draws=draws))
    return figure
