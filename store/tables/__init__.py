"""Tidy tables of stored rows: reading, filtering, comparing, verifying, and explaining their columns."""
