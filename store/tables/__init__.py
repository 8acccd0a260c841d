"""Tidy tables of stored rows: reading, filtering, comparing, verifying, and what their columns mean."""
