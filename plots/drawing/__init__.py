"""What figures share: curves, styles, error bars, cards."""
