"""Evaluators of the flow of tokens."""
