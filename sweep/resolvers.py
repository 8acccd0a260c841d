"""OmegaConf resolvers that inline a hardware profile, a data set, a model preset, or a file of one's own.

So their content and checksums are part of a point's identity.
"""

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hardware_profiles import profile
from hardware_profiles.listed.cluster import gpus_of, listed_profiles, read_list
from hardware_profiles.listed.layouts import published_for, read_layout, read_measurements
from hardware_profiles.listed.link_rows import read_links
from system.checks import require
from system.documents.instructions import require_data
from system.models.decoder import served_model
from system.models.presets import preset
from workloads import datasets

CLASSES = ("hardware_profiles.profile.GpuProfile", "workloads.datasets.DataSet")  # of which data makes objects


def _merged(field: str, content: Any) -> Any:
    """Return data as a part of a configuration, which no data may instruct."""
    require_data(field, content, CLASSES)
    return OmegaConf.create(content) if isinstance(content, (dict, list)) else content


@cache
def _read_profile(name: str) -> DictConfig:
    """Return a profile, made once for all points; a measured one takes 50 ms."""
    return _merged("profile", profile.read_profile(name))


def _profile(name: Any) -> DictConfig:
    return _read_profile(str(name))


def _engine(name: str, field: str) -> Any:
    """Return a constant, or the batch curve, of the engine of a profile.

    It does not depend on the served model.
    """
    return _merged(field, profile.engine_constants(str(name))[str(field)])


def _data_set(name: str) -> DictConfig:
    return _merged("dataset", datasets.data_set(name))


def _listed(file: str | None, key: str) -> Any:
    """Return one field of the servers that a file lists."""
    return _merged(key, read_list(file)[key])


@cache
def _packaged_links(name: str) -> Any:
    """Return links of this project, made once for all points.

    A matrix of links has hundreds of rows.
    """
    return _merged("links", read_links(name))


def _links(name: str) -> Any:
    """Return the rows of a file of links; own files are read anew."""
    own = str(name).endswith(".csv")
    return _merged("links", read_links(str(name))) if own else _packaged_links(str(name))


def _layout(name: str) -> DictConfig:
    """Return the ranges of blocks of a published layout or of a file."""
    return _merged("layout", read_layout(str(name)))


def _measurements(layout: str) -> DictConfig:
    """Return what others measured with a published layout."""
    return _merged("measured", read_measurements(str(layout)))


@cache
def _packaged_profiles(gpus: tuple[str, ...]) -> DictConfig:
    """Return profiles of this project, made once for all points as `_read_profile` does."""
    return _merged("profiles", listed_profiles([{"gpu": gpu} for gpu in gpus]))


def _profiles(servers: Any, file: str | None) -> DictConfig:
    """Return the profiles of the GPUs that listed servers name, own files read anew."""
    gpus = gpus_of(servers)
    own = any(gpu.endswith(".yaml") for gpu in gpus)
    return _merged("profiles", listed_profiles(servers, file)) if own else _packaged_profiles(gpus)


def _sha256(file: str | None) -> str:
    """Return the checksum of a file of one's own."""
    require(file is not None, "file", file, "name a file, such as workload.file=requests.csv")
    return datasets.sha256_of(Path(str(file)))


def _preset(name: str, precision: str, cache_tokens: int, field: str) -> Any:
    """Return a field of the `ServedModel` of a preset at one precision."""
    return getattr(served_model(preset(name), cache_tokens, precision, precision), field)


OmegaConf.register_new_resolver("profile", _profile, replace=True)
OmegaConf.register_new_resolver("engine", _engine, replace=True)
OmegaConf.register_new_resolver("dataset", _data_set, replace=True)
OmegaConf.register_new_resolver("listed", _listed, replace=True)
OmegaConf.register_new_resolver("layout", _layout, replace=True)
OmegaConf.register_new_resolver("published", published_for, replace=True)
OmegaConf.register_new_resolver("measured_with", _measurements, replace=True)
OmegaConf.register_new_resolver("profiles", _profiles, replace=True)
OmegaConf.register_new_resolver("links", _links, replace=True)
OmegaConf.register_new_resolver("sha256", _sha256, replace=True)
OmegaConf.register_new_resolver("preset", _preset, replace=True)
