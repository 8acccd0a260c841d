"""Admission: who starts when and on which path, decided alike for simulated jobs and for real requests."""
