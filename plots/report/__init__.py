"""The report: one HTML page of what a store has, to be read without a network."""
