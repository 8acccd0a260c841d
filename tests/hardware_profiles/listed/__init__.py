"""Tests of listed servers."""
