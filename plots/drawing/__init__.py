"""Parts that several figures share: curves, styles, error bars and cards."""
