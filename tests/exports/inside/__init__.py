"""Scripts that run in the environments of engines: commands from stdin, what their parsers say to stdout, both JSON."""
