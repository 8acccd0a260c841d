"""Fig. 2 in the published set-up: job servers for a required rate."""

from plots.figures.paper.fig2 import draw

__all__ = ["draw"]
