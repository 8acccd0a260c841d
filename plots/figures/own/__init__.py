"""Figures of your own experiments."""
