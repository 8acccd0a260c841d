"""Helix: a placement by integer programming that maximises the flow of tokens, and routes by that flow (ASPLOS'25)."""

from algorithms.helix.placement import FlowPlacement, HelixMilp
from algorithms.helix.scheme import Helix

__all__ = ["FlowPlacement", "Helix", "HelixMilp"]
