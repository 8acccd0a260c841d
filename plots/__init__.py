"""Figures, the ledger of claims and the report, all made from the rows in the store.

Each figure has one module with `draw(results, labels) -> Figure`, where `results` is what
`store.tables.reading.load_results` returns.
"""

from system.code.folders import keep_matplotlib_files

keep_matplotlib_files()
