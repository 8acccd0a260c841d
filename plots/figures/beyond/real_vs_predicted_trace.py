"""Real runs of a trace: means and percentiles, as both simulations predict them and as measured."""

import pandas as pd
from matplotlib.figure import Figure

from plots.drawing.comparison_card import card
from plots.drawing.side_by_side import draw_side_by_side
from store.tables.labels import Labels, joined

__all__ = ["card", "draw"]

CAPACITY = "tuning.capacity"


def draw(rows: pd.DataFrame, draws: int, labels: Labels) -> Figure:
    """Draw a panel for each capacity."""
    capacities = {str(value): f"c = {value}" for value in rows[CAPACITY].unique()}
    return draw_side_by_side(rows, CAPACITY, draws, joined([labels, Labels({CAPACITY: capacities})]))
