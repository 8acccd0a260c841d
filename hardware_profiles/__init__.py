"""Hardware: GPU profiles with their time model, networks, and the clusters drawn from both."""
