"""The report: one HTML page of everything in a store, which can be read offline."""
