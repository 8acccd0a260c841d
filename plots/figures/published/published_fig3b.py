"""Fig. 3b in the published set-up: JFFC's mean response time over load, with its bounds."""

from plots.figures.paper.fig3b import draw

__all__ = ["draw"]
