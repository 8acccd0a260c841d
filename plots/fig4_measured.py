"""Fig. 4 on a measured machine: the times of two small models' blocks on one thread of a CPU, and the fitted lines."""

from plots.fig4 import draw

__all__ = ["draw"]
