"""Dispatch policies, one file each: which chain takes the next job (`system.dispatch`)."""
