"""Figures, the ledger of claims and the report, all made from the rows in the store.

Each figure has one module with `draw(rows, draws, labels) -> Figure`, where `rows` is what `store.tables.reading.load`
returns.
"""
