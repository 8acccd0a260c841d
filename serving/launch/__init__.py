"""Ways to start servers: as processes, in this process, by hand, or with Ray."""
