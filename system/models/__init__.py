"""Models that are served: what their blocks cost in memory and arithmetic."""
