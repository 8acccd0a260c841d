"""The frame of a configuration: its keys outside the case, which say what to compute and where to store it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

from omegaconf import DictConfig, OmegaConf

from evaluators.points.case import Case
from sweep.arguments import as_written, require_type
from sweep.expansion.template import resolving
from sweep.launching.worker_settings import require_workers
from system import InputError
from system.checks import require, require_at_most, require_count
from system.documents.kinds import WORDS, in_words
from system.limits import DRAWS, REPLICATIONS, RUNS

Axes = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Embedded(NamedTuple):
    """What `data=embedded` changes in an experiment."""

    overrides: Sequence[str]
    axes: Axes


class Experiment(NamedTuple):
    """What the file of an experiment sets."""

    name: str
    axes: Axes
    workers: int | None
    embedded: Embedded


class Data(NamedTuple):
    """Whether recorded data is replaced, and by what."""

    suffix: str
    stand_ins: Mapping[str, Mapping[str, str]]


class Precision(NamedTuple):
    """The target of `precision=target`."""

    half_width: float | str
    metrics: Sequence[str]
    most_draws: int
    most_replications: int


class Worker(NamedTuple):
    """What the sweeper gives each of its workers."""

    work: str | None
    first: int


class Frame(NamedTuple):
    """All keys outside the case that no configuration lacks."""

    draws: int
    replications: int
    store: str
    experiment: Experiment
    data: Data
    worker: Worker


def require_frame(config: DictConfig) -> None:
    """Raise `InputError` unless all keys outside the case have fitting values."""
    with resolving(config):
        _require_fields("", config, Frame)
        if "precision" in config:
            _require_fields("precision.", config.precision, Precision)
        _require_parts(config)
    require_count(DRAWS, draws=config.draws)
    require_count(REPLICATIONS, replications=config.replications)
    require_at_most(RUNS, **{"draws times replications": config.draws * config.replications})
    if config.experiment.workers is not None:
        require_workers("experiment.workers", config.experiment.workers)


def _require_parts(config: DictConfig) -> None:
    """Raise `InputError` unless each part of the case is a configuration."""
    case = config.get("case")
    require(OmegaConf.is_dict(case), "case", as_written(case), "must keep its keys; set one of them")
    for name, kind in get_type_hints(Case).items():
        if kind not in WORDS and name in case:
            require(OmegaConf.is_dict(case[name]), f"case.{name}", as_written(case[name]), f"must be {in_words(kind)}")


def _require_fields(path: str, node: Any, fields: type) -> None:
    """Raise `InputError` for the first field that is missing or of another type."""
    require(OmegaConf.is_dict(node), path.rstrip("."), as_written(node), "must keep its keys; set one of them")
    for name, kind in get_type_hints(fields).items():
        if name not in node:
            raise InputError(f"{path}{name}: is missing; give it a value")
        value = node[name]
        if hasattr(kind, "_fields"):
            _require_fields(f"{path}{name}.", value, kind)
        else:
            plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            require_type(f"{path}{name}", plain, kind)
