"""The search for compositions in which every server has a reservation of its own (`algorithm=searched`)."""

from algorithms.composition_search.scheme import Searched
from algorithms.composition_search.searching import Judged, progress_bar, search

__all__ = ["Judged", "Searched", "progress_bar", "search"]
