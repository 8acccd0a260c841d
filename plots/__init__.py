"""Rows → figures, one file a figure: `draw(rows, draws) -> Figure`, where `rows` is what `store.load` returns."""
