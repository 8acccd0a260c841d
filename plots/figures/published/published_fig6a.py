"""Fig. 6a in the published set-up: mean response time by each measure for every c, at the published rate."""

from plots.figures.paper.fig6a import draw

__all__ = ["draw"]
