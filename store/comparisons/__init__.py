"""Paired comparisons of stored points: values of an axis, versions of the code, and rankings."""
