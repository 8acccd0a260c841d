"""Routing: schemes that send each job over the servers on a path of its own (`system.routing`).

A path is a shortest path in a graph of legal hops (`links.py`). The delay that a scheme adds to the time of a hop,
given the state of the server at which it ends, is a compiled function; each scheme has its own file.
"""
