"""Objectives to choose c where requests slow each other (`conf/tuning`), and rates that depend on it."""
