"""Documents that people write: YAML and JSON files and their entries, checked key by key."""
