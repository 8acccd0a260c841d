"""Commands that start engines with the blocks and the cache of a composition."""
