"""Expansion of a command into the points of its sweeps."""
