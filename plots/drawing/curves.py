"""The curves of a figure, each with a label and a look.

A figure names its subject, such as the dispatch policy, and the axes that it shows in other ways, such as its panels
and its x axis. There is one curve for each value of the subject. Any other axis in which points differ, such as the
evaluator or the service model, makes further curves, and so does the metric.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from plots.drawing.style import LOOKS, Look, curve, looks_of, over_draws
from store.tables.labels import Labels
from store.tables.reading import MEASURED, OF_POINT
from store.tables.statistics import shown

NO_AXES = ("point", *MEASURED, *OF_POINT, "curve")
EVALUATOR, SERVICE = "evaluator", "service"
METHOD = (EVALUATOR, "metric")
MEAN = "response_mean_s"
FLOORS = ("response_floor_s", "response_bound_s")  # lower bounds for every scheme
WORDS = {"response_lower_s": "lower bound", "response_upper_s": "upper bound"}  # labels of an evaluator's metrics
NONE = ""  # replaces nan; no axis has this value


Key = Mapping[str, str]  # the values of the axes in which curves differ, and the metric, of one curve


class Curve(NamedTuple):
    """One curve; its rows have its label in the column `curve`."""

    label: str
    look: Look
    subject: str  # the value of the subject; empty if it has none
    is_plain: bool  # whether its evaluator and metric are those of most subjects, so that the subject alone names it
    rest: tuple[str, ...]  # the values of its key without the subject: evaluator, metric and others
    key: Key  # the subject, the evaluator and other axes that distinguish curves, and the metric

    def points_in(self, points: pd.DataFrame) -> pd.DataFrame:
        """Return the points that belong to this curve."""
        axes = [axis for axis in self.key if axis in points]
        return points[points[axes].apply(texts).eq([self.key[axis] for axis in axes]).all(axis=1)]


class Curves(NamedTuple):
    """The rows of a figure, with the column `curve`, and its curves in drawing order."""

    rows: pd.DataFrame
    curves: list[Curve]


def mean_responses(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of mean responses, bounds and surrogates."""
    metric = rows["metric"]
    is_time = metric.str.contains("response") & metric.str.endswith("_s") & ~metric.str.contains("half_width")
    return rows[is_time & rows["at"].isna()]


def axes_in(rows: pd.DataFrame) -> list[str]:
    """Return the axes among the columns of rows."""
    return [str(column) for column in rows if column not in NO_AXES]


def distinguishing_axes(rows: pd.DataFrame, shown: Iterable[str]) -> list[str]:
    """Return further axes needed to distinguish all points.

    Points that agree in the axes `shown` differ in some of these. An axis is left out if the axes before it distinguish
    the points already.
    """
    axes = axes_in(rows)
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
    """Return the curves of some rows.

    Plain curves come first, and curves with a look in `LOOKS` come before others. With `one_metric` the metrics make no
    curves of their own. Raises `KeyError` if there are no rows or if the rows lack the subject.
    """
    if rows.empty:
        raise KeyError("the metrics that it shows")
    if subject not in rows:
        raise KeyError(subject)
    columns = [subject, *distinguishing_axes(rows, [*shown, subject]), "metric"]
    rows = rows if subject == EVALUATOR else _with_one_floor(rows, [*shown, *columns], subject)
    keys = rows[columns].apply(texts)
    if one_metric:
        keys["metric"] = MEAN
    if subject != EVALUATOR:
        keys.loc[keys["metric"].isin(FLOORS), subject] = NONE
    distinct = keys.drop_duplicates()
    names = _Names([dict(zip(columns, values, strict=True)) for values in distinct.to_numpy()], subject, labels)
    labelled = keys.merge(distinct.assign(curve=names.labels), on=list(distinct), how="left")
    return Curves(rows.assign(curve=labelled["curve"].to_numpy()), names.curves())


def _with_one_floor(rows: pd.DataFrame, columns: Sequence[str], subject: str) -> pd.DataFrame:
    """Return the rows with one floor of each kind for all subjects.

    A lower bound for every scheme is the same whatever scheme its point names. Rows with different floors are kept, and
    cannot be drawn as one curve.
    """
    cells = [column for column in dict.fromkeys([*columns, "draw", "replication"]) if column in rows]
    cells.remove(subject)
    floors = rows[rows["metric"].isin(FLOORS)]
    differing = floors.groupby(cells, dropna=False)["value"].transform("nunique") > 1
    repeated = floors.duplicated(cells) & ~differing
    return rows.drop(index=floors.index[repeated])


def texts(column: pd.Series) -> pd.Series:
    """Return the values of an axis as text; no value becomes empty text."""
    return column.map({value: shown(value) for value in column.dropna().unique()}).astype(object).fillna(NONE)


def draw_curves(axes: Axes, rows: pd.DataFrame, curves: Iterable[Curve], axis: str) -> None:
    """Draw the means of each curve over an axis."""
    for label, look, *_ in curves:
        curve(axes, look, over_draws(rows[rows["curve"] == label], axis), label)


@dataclass(frozen=True)
class _Names:
    """The labels and looks of the curves of a figure."""

    keys: list[Key]
    subject: str
    words: Labels

    def curves(self) -> list[Curve]:
        """Return the curves in drawing order."""
        named = dict(zip(self.labels, self.keys, strict=True))
        wanted = {label: self._look_name(key) for label, key in named.items()}
        ranks = {name: rank for rank, name in enumerate(LOOKS)}
        order = sorted(
            named, key=lambda label: (not self._is_plain(named[label]), ranks.get(wanted[label], len(ranks)))
        )
        looks = looks_of({label: wanted[label] for label in order}, LOOKS)
        return [self._curve(label, named[label], looks[label]) for label in order]

    def _curve(self, label: str, key: Key, look: Look) -> Curve:
        rest = tuple(value for axis, value in key.items() if axis != self.subject)
        return Curve(label, look, key[self.subject], self._is_plain(key), rest, key)

    @cached_property
    def labels(self) -> list[str]:
        """Return the label of each key.

        If two YAML files give the same label, the names of the files are added.
        """
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
        """Return the settings that a label must name.

        These are the axes in which curves with the same subject, evaluator and metric differ.
        """
        same = (self.subject, *METHOD)
        alike = [other for other in self.keys if all(other.get(axis) == key.get(axis) for axis in same)]
        return [axis for axis in key if axis not in same and len({other[axis] for other in alike}) > 1]

    def _method_label(self, key: Key) -> str:
        """Return the words for the evaluator and metric of a key.

        They are the label of the evaluator or, if the evaluator has several metrics, the words for the metric. Both are
        named if several evaluators have the metric.
        """
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
        """Return the evaluator and metric of most subjects.

        Return None if all metrics are bounds.
        """
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
    """Return the value of an axis in words.

    It is the label of the value or, without a label, the short name of the axis with the value. No value gives no
    words.
    """
    if not value or pd.isna(value):
        return NONE
    label = words(axis, value)
    return f"{axis.rsplit('.', 1)[-1]} = {value}" if label == value and "." in axis else label


def _method(key: Key) -> Key:
    return {axis: key.get(axis, NONE) for axis in METHOD}


def _metric_words(metric: str) -> str:
    """Return the words for a metric.

    The mean response has no words.
    """
    word = metric.removesuffix("_s").replace("response", "").strip("_").replace("_", " ")
    return WORDS.get(metric, "" if metric == MEAN else word)
