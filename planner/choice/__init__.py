"""Choice of a plan: predictions, candidates, and the search for the best."""
