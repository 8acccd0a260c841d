"""Simulation of jobs that slow each other, step by step."""
