"""Fig. 6b in the published set-up: the c that each measure chooses, over the published rates."""

from plots.figures.paper.fig6b import draw

__all__ = ["draw"]
