"""Admission: decides which jobs start, when, and on which path.

Simulated jobs and real requests are admitted by the same code.
"""
