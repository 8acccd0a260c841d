"""Points and rows on disk: identity, files, locks, provenance, and the work that fills them."""
