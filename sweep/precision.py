"""Sequential precision (`precision=target`): draws are added until the means are known well enough.

After each round a point whose interval is too wide gets the number of draws at which its present variance would make
the interval narrow enough, but at least `LEAST_GROWTH` and at most `MOST_GROWTH` times as many as it has. The rule uses
nothing but stored rows, so a repeated command takes the same rounds and computes nothing. After the first round it also
chooses the number of replications, with the split of the variance between and within draws.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from evaluators.points.metrics import metric_meanings
from store.disk.data import data_of
from store.disk.identity import configuration_of, targets_of
from store.disk.store import Store
from store.tables.reading import measurements, outcomes
from system.checks import require, require_count, require_known
from system.intervals import half_width_of
from system.limits import DRAWS, REPLICATIONS

if TYPE_CHECKING:  # expansion gives sweeps their target
    from sweep.expansion.applicability import Point
    from sweep.expansion.commands import Sweep

Floats = NDArray[np.float64]

LEAST_GROWTH, MOST_GROWTH = 1.1, 2.0
FEWEST_DRAWS = 2


class Size(NamedTuple):
    """The number of draws of a point, and of the replications of each."""

    draws: int
    replications: int


class Target(NamedTuple):
    """The precision that the means of a sweep shall have, and the limits to its size."""

    half_width: float  # of the 95 % interval, relative to the mean
    metrics: list[str]  # those that a point has must all be precise
    most_draws: int
    most_replications: int


def target_of(config: DictConfig) -> Target | None:
    """Return the target of a configuration; None without one.

    Raises `InputError` for settings that are no target.
    """
    if "precision" not in config:
        return None
    require(
        OmegaConf.is_dict(config.precision), "precision", config.precision, "must be a choice such as precision=target"
    )
    settings: Any = dict.fromkeys(Target._fields) | OmegaConf.to_object(config.precision)  # type: ignore[operator]
    _require_metrics(settings["metrics"])
    limits = {name: settings[name] for name in ("most_draws", "most_replications")}
    require_count(DRAWS, **{"precision.most_draws": limits["most_draws"]})
    require_count(REPLICATIONS, **{"precision.most_replications": limits["most_replications"]})
    for name in ("draws", "replications"):
        most = limits[f"most_{name}"]
        require(config[name] <= most, f"precision.most_{name}", most, f"is below {name}={config[name]}; raise it")
    require(config.draws >= FEWEST_DRAWS, "draws", config.draws, f"precision=target needs at least {FEWEST_DRAWS}")
    return Target(_share(settings["half_width"]), settings["metrics"], **limits)


def _require_metrics(metrics: Any) -> None:
    """Raise `InputError` unless these are names of metrics, at least one."""
    is_list = isinstance(metrics, list) and len(metrics) > 0
    require(is_list, "precision.metrics", metrics, "must be a list of metrics, such as [response_mean_s]")
    for metric in metrics:
        require_known("precision.metrics", metric, metric_meanings())


def _share(value: float | str) -> float:
    """Return a share written as a number or in percent."""
    text = str(value)
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = math.nan
    require(0 < share < 1, "precision.half_width", value, "must be above 0 and below 1, such as 1% or 0.01")
    return share


def larger_sizes(store: Store, sizes: Mapping[str, Size], first: Size, target: Target) -> dict[str, Size]:
    """Return the sizes of points that need larger ones.

    `first` is their size in the first round. Points without a result, with refused draws or without the metrics stay
    as they are.
    """
    parts = store.parts(sizes)
    by_point = outcomes(store, sizes, parts)
    rows = measurements(store, sizes, by_point, parts)
    rows = rows[rows["metric"].isin(target.metrics)]
    wanted = {
        str(point): next_size(of_point, sizes[str(point)], first, target)
        for point, of_point in rows.groupby("point")
        if by_point[str(point)].status == "ok"
    }
    return {point: size for point, size in wanted.items() if size != sizes[point]}


def next_size(rows: pd.DataFrame, size: Size, first: Size, target: Target) -> Size:
    """Return the size that a point needs by its rows."""
    values = max(_values(rows), key=relative_half_width)
    excess = relative_half_width(values) / target.half_width
    if excess <= 1:
        return size
    replications, ratio = _split(values, target.most_replications) if size == first else (size.replications, 1.0)
    draws = math.ceil(size.draws * min(max(excess**2 * ratio, LEAST_GROWTH), MOST_GROWTH))
    return Size(max(min(draws, target.most_draws), size.draws), replications)


def relative_half_width(values: Floats) -> float:
    """Return the relative half-width of a mean.

    The values are (draws, replications). It is 0 for a single draw: the evaluator has computed no other because nothing
    would vary.
    """
    by_draw = np.nanmean(values, axis=1)
    width, mean = half_width_of(by_draw) if by_draw.size > 1 else 0.0, abs(float(by_draw.mean()))
    return width / mean if mean else (math.inf if width else 0.0)


def _values(rows: pd.DataFrame) -> Iterator[Floats]:
    """Yield the values (draws, replications) of each metric and coordinate."""
    for _, of_metric in rows.groupby(["metric", "at"], dropna=False):
        yield of_metric.pivot_table("value", "draw", "replication").to_numpy()


def _split(values: Floats, most_replications: int) -> tuple[int, float]:
    """Return the best number of replications and its effect.

    The effect is a factor of the variance of a draw's mean. For a cluster that costs as much as a run of jobs, the best
    number is the root of the variance within draws over that between them.
    """
    count = values.shape[1]
    if count == 1:
        return 1, 1.0
    within = float(np.nanvar(values, axis=1, ddof=1).mean())
    total = float(np.nanmean(values, axis=1).var(ddof=1))
    between = max(total - within / count, 0.0)
    best = most_replications
    if within < between * most_replications**2:
        best = max(round(math.sqrt(within / between)), 1)
    return best, (between + within / best) / (between + within / count)


class Rounds:
    """A sweep, and the size of each of its points in the present round."""

    def __init__(self, sweep: "Sweep", labels: Mapping[str, Any]) -> None:
        """Give all points their first size; keep the axes' labels."""
        self.sweep = sweep
        self._labels = labels
        self._first = Size(sweep.draws, sweep.replications)
        self.sizes = {point.identity: self._first for point in sweep.points}
        self._open = dict(self.sizes)

    def go_on(self, store: Store) -> bool:
        """Increase the sizes of points; return whether any grew."""
        if self.sweep.target is None:
            return False
        self._open = larger_sizes(store, self._open, self._first, self.sweep.target)
        self.sizes |= self._open
        return bool(self._open)

    def record(self) -> dict[str, Any]:
        """Return the record of the sweep for the store, with the present sizes."""
        described = self._described
        if self.sweep.target is None:
            return described
        points = [entry | self.sizes[entry["point"]]._asdict() for entry in described["points"]]
        return described | {"points": points}

    @cached_property
    def _described(self) -> dict[str, Any]:
        """Return the record without sizes.

        A variant is what points share: their settings besides the axes, and the modules and data files that their
        configurations name.
        """
        sweep = self.sweep
        record = {
            name: getattr(sweep, name) for name in ("fixed", "words", "axes", "draws", "replications", "declared_count")
        }
        keys = [json.dumps(_variant(point, sweep.axes)) for point in sweep.points]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        record["variants"] = [json.loads(key) for key in numbers]
        points = zip(sweep.points, keys, strict=True)
        record["points"] = [_entry(point) | {"variant": numbers[key]} for point, key in points]
        record |= {"precision": sweep.target._asdict()} if sweep.target else {}
        return record | {"labels": self._labels}


def _entry(point: "Point") -> dict[str, Any]:
    entry: dict[str, Any] = {"point": point.identity, "axes": point.axes, "is_declared": point.is_declared}
    return entry | {"configuration": configuration_of(point.case)}


def _variant(point: "Point", axes: Sequence[str]) -> dict[str, Any]:
    groups = {key.partition(".")[0] for key in point.settings if "." in key}
    settings = {key: text for key, text in point.settings.items() if key not in axes or key in groups}
    return {"settings": settings, "targets": targets_of(point.case), "data": data_of(point.case)}
