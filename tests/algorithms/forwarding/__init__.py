"""Schemes whose hops go straight from server to server."""
