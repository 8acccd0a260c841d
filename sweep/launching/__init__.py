"""Launching the workers of a sweep: joblib, Ray, their settings, and the progress bar."""
