"""Curves that a figure draws: one for each combination of what differs in its rows, with a label and a look.

A figure names the axes that it shows otherwise (its panels, its x axis) and its subject, such as the dispatch policy.
All else that tells points apart, such as an evaluator, a service model or a metric, makes further curves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from plots.drawing.style import LOOKS, Look, looks_of
from store.tables.filtered import MEASURED
from store.tables.labels import Labels

NO_AXES = ("point", *MEASURED, "curve")
EVALUATOR, SERVICE = "evaluator", "service"
METHOD = (EVALUATOR, "metric")
MEAN = "response_mean_s"
FLOOR = "response_floor_s"  # holds for every scheme
WORDS = {"response_lower_s": "lower bound", "response_upper_s": "upper bound"}  # where an evaluator has several metrics
NONE = ""  # stands for nan, which no axis has as a value


Key = Mapping[str, str]  # of a curve: the value of every axis that tells it apart, and its metric


class Curve(NamedTuple):
    """A curve of the rows that have its label in the column `curve`."""

    label: str
    look: Look
    subject: str  # the value of the subject; empty where it has none
    is_plain: bool  # whether the subject alone names it, as its evaluator and metric are those of most subjects
    rest: tuple[str, ...]  # evaluator, metric and whatever else beside the subject


class Curves(NamedTuple):
    """The rows of a figure with the column `curve`, and the curves in their order."""

    rows: pd.DataFrame
    curves: list[Curve]


def mean_responses(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of mean response times, and of bounds on them and surrogates for them."""
    metric = rows["metric"]
    is_time = metric.str.contains("response") & metric.str.endswith("_s") & ~metric.str.contains("half_width")
    return rows[is_time & rows["at"].isna()]


def telling_apart(rows: pd.DataFrame, shown: Iterable[str]) -> list[str]:
    """Return the axes in which points differ that agree in the axes that are shown, as few as do."""
    axes = [str(axis) for axis in rows if axis not in NO_AXES]
    points = rows[axes].drop_duplicates()
    known = [axis for axis in shown if axis in axes]
    differing: list[str] = []
    for axis in sorted(set(axes) - set(known), key=lambda axis: ("." in axis, axes.index(axis))):
        agreeing = points.groupby([*known, *differing], dropna=False)[axis] if known + differing else None
        counts = points[axis].nunique(dropna=False) if agreeing is None else agreeing.nunique(dropna=False).max()
        differing += [axis] if counts > 1 else []
    return differing


def curves_of(
    rows: pd.DataFrame, labels: Labels, shown: Sequence[str], subject: str = EVALUATOR, one_metric: bool = False
) -> Curves:
    """Return the curves of some rows over the axes that are shown: the plain ones first, and of these the known ones.

    With `one_metric` the metrics make no curves of their own. Raises `KeyError` where there are no rows or no subject.
    """
    if rows.empty:
        raise KeyError("the metrics that it shows")
    columns = [subject, *telling_apart(rows, [*shown, subject]), "metric"]
    keys = rows[columns].astype(object).fillna(NONE)
    if one_metric:
        keys["metric"] = MEAN
    if subject != EVALUATOR:
        keys.loc[keys["metric"] == FLOOR, subject] = NONE
    several = keys.drop_duplicates()
    names = _Names([dict(zip(columns, values, strict=True)) for values in several.to_numpy()], subject, labels)
    labelled = keys.merge(several.assign(curve=names.labels()), on=list(several), how="left")
    return Curves(rows.assign(curve=labelled["curve"].to_numpy()), names.curves())


@dataclass(frozen=True)
class _Names:
    """What the curves of a figure are called and look like."""

    keys: list[Key]
    subject: str
    words: Labels

    def curves(self) -> list[Curve]:
        """Return the curves in their order."""
        named = dict(zip(self.labels(), self.keys, strict=True))
        wanted = {label: self._look_name(key) for label, key in named.items()}
        ranks = {name: rank for rank, name in enumerate(LOOKS)}
        order = sorted(
            named, key=lambda label: (not self._is_plain(named[label]), ranks.get(wanted[label], len(ranks)))
        )
        looks = looks_of({label: wanted[label] for label in order}, LOOKS)
        return [self._curve(label, named[label], looks[label]) for label in order]

    def _curve(self, label: str, key: Key, look: Look) -> Curve:
        rest = tuple(value for axis, value in key.items() if axis != self.subject)
        return Curve(label, look, key[self.subject], self._is_plain(key), rest)

    def labels(self) -> list[str]:
        """Return the label of each key; where two YAML files give the same one, with the names of the files."""
        labels = [self._label(key) for key in self.keys]
        raw = [", ".join(value for axis, value in key.items() if value and axis != "metric") for key in self.keys]
        return [
            label if labels.count(label) == 1 else f"{label} ({values})"
            for label, values in zip(labels, raw, strict=True)
        ]

    def _label(self, key: Key) -> str:
        subject = [] if self.subject == EVALUATOR else [self.words(self.subject, key[self.subject])]
        method = [] if self._is_plain(key) and subject else [self._method_label(key)]
        others = [axis_words(axis, key[axis], self.words) for axis in self._settings(key)]
        return ", ".join(filter(None, [*subject, *method, *others]))

    def _settings(self, key: Key) -> list[str]:
        """Return the further axes in which the curves differ that share the subject, evaluator and metric of a key."""
        same = (self.subject, *METHOD)
        alike = [other for other in self.keys if all(other.get(axis) == key.get(axis) for axis in same)]
        return [axis for axis in key if axis not in same and len({other[axis] for other in alike}) > 1]

    def _method_label(self, key: Key) -> str:
        """Return the evaluator's label, or of one with several metrics what its metric is."""
        evaluator = self.words(EVALUATOR, key.get(EVALUATOR, NONE))
        metrics = {other["metric"] for other in self.keys if other.get(EVALUATOR) == key.get(EVALUATOR)}
        word = _metric_words(key["metric"])
        if len(metrics) == 1 or not word:
            return evaluator
        evaluators = {other.get(EVALUATOR) for other in self.keys if other["metric"] == key["metric"]}
        return word if len(evaluators) == 1 else f"{evaluator}, {word}"

    def _is_plain(self, key: Key) -> bool:
        return self.subject != EVALUATOR and _method(key) == self._plain_method

    @cached_property
    def _plain_method(self) -> Key | None:
        """The evaluator and metric of most subjects; none where there are bounds only."""
        methods = [_method(key) for key in self.keys]
        means = [method for method in methods if method["metric"] == MEAN]
        alone = all(method == methods[0] for method in methods)
        return methods[0] if alone else max(means, key=means.count, default=None)

    def _look_name(self, key: Key) -> str:
        if key["metric"] in LOOKS:
            return key["metric"]
        if self._is_plain(key):
            return key[self.subject]
        return key.get(SERVICE) or key.get(EVALUATOR, NONE)


def axis_words(axis: str, value: str, words: Labels) -> str:
    """Return the value of an axis in words: its label, or the axis in short and the value; nothing for no value."""
    if not value or pd.isna(value):
        return NONE
    label = words(axis, value)
    return f"{axis.rsplit('.', 1)[-1]} = {value}" if label == value and "." in axis else label


def _method(key: Key) -> Key:
    return {axis: key.get(axis, NONE) for axis in METHOD}


def _metric_words(metric: str) -> str:
    """Return what a metric says of the mean response; nothing of the mean itself."""
    word = metric.removesuffix("_s").replace("response", "").strip("_").replace("_", " ")
    return WORDS.get(metric, "" if metric == MEAN else word)
