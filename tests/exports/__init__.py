"""Tests of the start commands of engines."""
