"""Hydra's side of the project: sweeps over points, resolvers for profiles and data sets, errors in one sentence."""
