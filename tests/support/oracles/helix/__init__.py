"""Plain versions of what the scheme of Helix does."""
