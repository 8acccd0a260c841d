"""Figures and tables that the paper has."""
