"""Real runs of the four schemes: means and percentiles, as both simulations predict them and as measured."""

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.comparison_card import card
from plots.drawing.side_by_side import draw_side_by_side
from store.tables.labels import Labels

__all__ = ["card", "draw"]


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each scheme."""
    return draw_side_by_side(rows, "algorithm", draws, labels)
