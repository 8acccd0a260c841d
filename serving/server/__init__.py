"""A server: its description, its device, and the executor that computes steps."""
