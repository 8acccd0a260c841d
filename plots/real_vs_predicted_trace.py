"""Real runs of a trace: means and percentiles as both simulations predict them and as they were measured."""

import pandas as pd
from matplotlib.figure import Figure

from plots.comparison_card import card
from plots.side_by_side import side_by_side

__all__ = ["card", "draw"]


def draw(rows: pd.DataFrame, draws: int) -> Figure:
    """One panel for each capacity."""
    capacities = {str(value): f"c = {value}" for value in rows["tuning.capacity"].unique()}
    return side_by_side(rows, capacities, "tuning.capacity", draws)
