"""HTML pages in tests: in a browser, and as trees of elements."""
