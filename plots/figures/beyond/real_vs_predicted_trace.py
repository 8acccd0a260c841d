"""Real runs of a trace: means and percentiles, as both simulations predict them and as measured."""

from plots.drawing.comparison_card import card
from plots.drawing.side_by_side import draw

__all__ = ["card", "draw"]
