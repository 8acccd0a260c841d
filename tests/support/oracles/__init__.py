"""Plain second implementations and random instances, used by tests only; they are slow and follow the texts."""
