"""Figures of the published numbers: those of the paper in the set-up of the authors' simulator."""
