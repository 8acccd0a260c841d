"""Served models: the memory and arithmetic of their blocks."""
