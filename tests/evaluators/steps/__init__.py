"""Tests of the simulation of jobs that slow each other."""
