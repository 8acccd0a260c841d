"""Resolvers that inline a hardware profile or a data set, so that its numbers are part of a point's identity."""

from functools import cache

from omegaconf import DictConfig, OmegaConf

from hardware_profiles import profile
from workloads import datasets

# Points of a sweep read the same profiles again and again; a measured one takes 25 ms.
_read_profile = cache(profile.read_profile)


def _profile(name: str) -> DictConfig:
    return OmegaConf.create(_read_profile(name))


def _data_set(name: str) -> DictConfig:
    return OmegaConf.create(datasets.data_set(name))


OmegaConf.register_new_resolver("profile", _profile, replace=True)
OmegaConf.register_new_resolver("dataset", _data_set, replace=True)
