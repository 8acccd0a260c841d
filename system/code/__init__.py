"""The project's own code: its sources, their imports and hashes, and the compiler."""
