"""Fig. 3a in the published set-up: mean response time over load under each dispatch policy."""

from plots.figures.paper.fig3a import draw

__all__ = ["draw"]
