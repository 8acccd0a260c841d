"""Rows → figures, one file a figure: `draw(rows) -> Figure`, where `rows` is what `store.load.load` returns."""
