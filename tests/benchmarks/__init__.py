"""How fast the public functions are, beside other ways to the same numbers: `python -m tests.benchmarks`."""
