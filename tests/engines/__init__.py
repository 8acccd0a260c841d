"""Checks with llama.cpp's own programs that take minutes: `make engines`."""
