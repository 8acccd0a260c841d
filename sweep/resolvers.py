"""OmegaConf resolvers that inline a hardware profile or a data set.

So the numbers of a profile and the checksum of a data set are part of a point's identity.
"""

from functools import cache

from omegaconf import DictConfig, OmegaConf

from hardware_profiles import profile
from workloads import datasets

# The points of a sweep share profiles, and reading a measured profile takes 25 ms.
_read_profile = cache(profile.read_profile)


def _profile(name: str) -> DictConfig:
    return OmegaConf.create(_read_profile(name))


def _data_set(name: str) -> DictConfig:
    return OmegaConf.create(datasets.data_set(name))


OmegaConf.register_new_resolver("profile", _profile, replace=True)
OmegaConf.register_new_resolver("dataset", _data_set, replace=True)
