"""Dispatch policies, one file each: the rules that choose the chain of the next job (`system.dispatch`)."""
