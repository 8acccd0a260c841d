"""Points and their rows on disk: identity, atomic commits, collection, statistics; whatever the rows measure."""
