"""Fig. 8 in the published set-up: mean response time of the three schemes, over cluster size and fast share."""

from plots.figures.paper.fig8 import draw

__all__ = ["draw"]
