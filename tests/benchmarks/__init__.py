"""Benchmarks of the public functions, beside other ways to compute the same numbers.

`python -m tests.benchmarks` runs them. `cases` has the benchmarks, `support` has what they share.
"""
