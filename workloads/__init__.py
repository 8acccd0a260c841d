"""Workloads: arrival processes, request sizes, trace readers and the registry of public data sets."""
