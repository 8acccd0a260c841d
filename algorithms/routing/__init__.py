"""Routing: schemes that send each job over the servers on a path of its own (`system.routing`).

A path is the shortest one in a graph of legal hops (`links.py`). What a scheme adds to the time of a hop, given the
state of the server that it leads to, is a compiled function, one file each.
"""
