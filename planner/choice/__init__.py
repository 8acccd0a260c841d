"""How a plan is chosen: candidates, predictions, and the search for the best."""
