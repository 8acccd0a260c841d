"""Chains under conditions: with servers and ends of their own, or for users instead of a rate."""
