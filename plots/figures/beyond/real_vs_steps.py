"""Service models in which requests slow each other, beside real runs under the same rules."""

from plots.figures.beyond.real_vs_predicted import card, draw

__all__ = ["card", "draw"]
