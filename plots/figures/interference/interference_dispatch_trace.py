"""Dispatch of the requests of Table I if requests slow each other, over the slots per chain."""

from plots.figures.interference.interference_dispatch import draw

__all__ = ["draw"]
