"""Evaluators, which predict or measure the response times of a layout."""
