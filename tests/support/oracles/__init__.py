"""Plain second implementations and random instances: slow, written straight from the text, used by the tests only."""
