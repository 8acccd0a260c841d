"""Figures of experiments that go beyond the paper."""
