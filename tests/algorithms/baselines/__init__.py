"""Tests of the baselines of other authors that have several parts."""
