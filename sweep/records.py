"""The record of a sweep in the store: its command, and what it knows of each of its points."""

import json
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Any

from store.disk.data import data_of
from store.disk.identity import configuration_of, targets_of
from sweep.applicability import Point
from sweep.expansion import Sweep
from sweep.labels import labels_of


def as_record(sweep: Sweep, folders: Sequence[Traversable] = ()) -> dict[str, Any]:
    """Return the record of a sweep.

    `folders` have the labels of its config groups. A variant is what points share: their settings besides the axes, and
    the modules and data files that their configurations name.
    """
    keys = [json.dumps(_variant(point, sweep.axes)) for point in sweep.points]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return {
        "words": list(sweep.words),
        "fixed": sweep.fixed,
        "axes": sweep.axes,
        "draws": sweep.draws,
        "replications": sweep.replications,
        "declared_count": sweep.declared_count,
        "variants": [json.loads(key) for key in numbers],
        "points": [_as_entry(point, numbers[key]) for point, key in zip(sweep.points, keys, strict=True)],
        "labels": labels_of(({**point.settings, **point.axes} for point in sweep.points), folders),
    }


def _variant(point: Point, axes: Sequence[str]) -> dict[str, Any]:
    groups = {key.partition(".")[0] for key in point.settings if "." in key}
    settings = {key: text for key, text in point.settings.items() if key not in axes or key in groups}
    return {"settings": settings, "targets": targets_of(point.case), "data": data_of(point.case)}


def _as_entry(point: Point, variant: int) -> dict[str, Any]:
    return {
        "point": point.identity,
        "configuration": configuration_of(point.case),
        "variant": variant,
        "axes": point.axes,
        "is_declared": point.is_declared,
    }
