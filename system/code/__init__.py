"""The project's own code: its source files, their imports and hashes, and the compiler."""
