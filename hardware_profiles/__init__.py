"""Hardware: GPU profiles and their time model, networks, and the clusters drawn from both."""
