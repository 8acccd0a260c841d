"""Values of every prefix of chains in one pass of the loss recursion, for the search of compositions."""
