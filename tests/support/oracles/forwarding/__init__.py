"""Plain times of paths whose hops go straight from server to server."""
