"""The algorithms: placement of blocks, allocation of cache to chains, dispatch or routing of jobs, complete schemes."""
