"""PETALS, the paper's own runtime: a private swarm on this machine, with its own client as the load."""
