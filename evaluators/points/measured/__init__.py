"""Evaluators that measure: the project's own servers, engines, and any endpoint."""
