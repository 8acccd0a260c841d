"""Sweeps with Hydra: commands become points, workers compute points, and errors become sentences."""
