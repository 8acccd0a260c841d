"""OmegaConf resolvers that inline a hardware profile, a data set or a model preset.

So their numbers and checksums are part of a point's identity.
"""

from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hardware_profiles import profile
from system.models.decoder import served_model
from system.models.presets import preset
from workloads import datasets

# The points of a sweep share profiles, and reading a measured profile takes 25 ms.
_read_profile = cache(profile.read_profile)


def _profile(name: str) -> DictConfig:
    return OmegaConf.create(_read_profile(name))


def _data_set(name: str) -> DictConfig:
    return OmegaConf.create(datasets.data_set(name))


def _preset(name: str, precision: str, cache_tokens: int, field: str) -> Any:
    """Return a field of the `ServedModel` of a preset at one precision."""
    return getattr(served_model(preset(name), cache_tokens, precision, precision), field)


OmegaConf.register_new_resolver("profile", _profile, replace=True)
OmegaConf.register_new_resolver("dataset", _data_set, replace=True)
OmegaConf.register_new_resolver("preset", _preset, replace=True)
