"""Sweeps with Hydra: from a command to points, from points to workers, from errors to sentences."""
