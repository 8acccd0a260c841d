"""Figures: one module for each experiment, found by the name of the experiment."""
