"""Comparison of two sides of an experiment: two values of an axis, or two versions of the code."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from store.disk.identity import differing
from store.disk.outcome import NOTHING_VARIES, Outcome
from store.disk.store import Store
from store.tables.currency import warn_of_outdated
from store.tables.filtered import matching_values, require_known
from store.tables.pairs import Measure, Paired, Side, no_side, paired, require_measure, sides
from store.tables.reading import (
    FOLDER,
    Results,
    Sizes,
    axes_of,
    axes_table,
    load_results,
    measurements,
    outcomes,
    points_of,
    sizes_of,
)
from store.tables.statistics import shown
from store.tables.text import aligned
from store.tables.versions import Records, computed_by
from system.checks import require
from system.words import counted

CODES = ("other code", "this code")
NOT_KNOWN = no_side("")  # the other side of a point that was not computed, which has a reason of its own
DIGITS = {"difference": 4, "half_width": 3, "ratio": 4}
NOT_APPLIED = ""  # the value of an axis that does not apply to a point
Key = tuple[Any, ...]  # the values of the axes that are not compared


class Comparison(NamedTuple):
    """Two sides of an experiment, A and B."""

    measure: Measure
    names: tuple[str, str]  # names of A and B
    table: pd.DataFrame  # a row for each pair of points: their axes, and `Paired`
    modules: list[str] | None = None  # modules that differ between two versions of the code


def compare_values(
    experiment: str, axis: str, values: tuple[str, str], measure: Measure, store: str | Path = FOLDER
) -> Comparison:
    """Compare two values of an axis at each combination of the other axes."""
    warn_of_outdated(experiment, store)
    results = load_results(experiment, store, outdated=True)
    axes = axes_of(results.points)
    require_known(axes, axis=axis)
    a, b = (matching_values(results.points, axis, [value])[0] for value in values)
    names = f"{axis}={shown(a)}", f"{axis}={shown(b)}"
    require_measure(results.rows, measure)
    by_point = sides(results, measure)
    others = [other for other in axes if other != axis]
    of_value: dict[Any, dict[Key, Side]] = {a: {}, b: {}}
    chosen = results.points[results.points[axis].isin([a, b])]
    for point in chosen.astype(object).where(chosen.notna(), NOT_APPLIED).to_dict("records"):
        of_value[point[axis]][tuple(point[other] for other in others)] = by_point[point["point"]]
    pairs = ([*key, *paired(*cell, names)] for key, cell in _cells(of_value[a], of_value[b]).items())
    return Comparison(measure, names, pd.DataFrame(pairs, columns=[*others, *Paired._fields]))


def _cells(a: Mapping[Key, Side], b: Mapping[Key, Side]) -> dict[Key, tuple[Side, Side]]:
    """Return both sides at each combination of the other axes.

    A side to which an axis does not apply stands for all values of that axis: it is paired with each of them.
    """
    absent = no_side("no such point")
    cells, matched = {}, set()
    for key in a:
        partners = [key] if key in b else [other for other in b if _agree(key, other)]
        matched.update(partners)
        for other in partners:
            cells[tuple(y if x == NOT_APPLIED else x for x, y in zip(key, other, strict=True))] = a[key], b[other]
        if not partners:
            cells[key] = a[key], absent
    return cells | {key: (absent, side) for key, side in b.items() if key not in matched}


def _agree(key: Key, other: Key) -> bool:
    return all(x == y or NOT_APPLIED in (x, y) for x, y in zip(key, other, strict=True))


def compare_stores(experiment: str, other: str | Path, measure: Measure, store: str | Path = FOLDER) -> Comparison:
    """Compare an experiment with the points of another store.

    Points are paired by their configuration.
    """
    other_store = Store(Path(other))
    points = other_store.points()
    require(bool(points), "with_store", other, "it holds no points; name another store")
    return _versions(experiment, other_store, _records(other_store, points), measure, Store(Path(store)))


def compare_commits(experiment: str, commit: str, measure: Measure, store: str | Path = FOLDER) -> Comparison:
    """Compare an experiment with the points that another commit computed into this store.

    Points are paired by their configuration. `commit` is any revision of git, or a version as it was recorded.
    """
    opened = Store(Path(store))
    records = _records(opened, opened.points())
    swept = points_of(opened.experiment(experiment))
    own = {records[point][0]["configuration_hash"] for point in swept if point in records}
    same = {point: parts for point, parts in records.items() if parts[0]["configuration_hash"] in own}
    return _versions(experiment, opened, computed_by(commit, same), measure, opened)


def _versions(experiment: str, other: Store, candidates: Records, measure: Measure, store: Store) -> Comparison:
    """Compare each point with the candidate of its configuration.

    Of several candidates it is one by other code, if there is any, and the last of these.
    """
    sweep = store.experiment(experiment)
    warn_of_outdated(experiment, store.folder)
    results = load_results(experiment, store.folder, outdated=True)
    require_measure(results.rows, measure)
    records = _records(store, points_of(sweep))
    last = sorted(candidates, key=lambda point: (point not in records, candidates[point][-1]["started"]))
    by_configuration = {candidates[point][0]["configuration_hash"]: point for point in last}
    partners = {point: by_configuration.get(parts[0]["configuration_hash"]) for point, parts in records.items()}
    matches = {point: partner for point, partner in partners.items() if partner}
    absent = {point: no_side("no point of this configuration") for point in partners}
    sizes = sizes_of(sweep)
    was = sides(_results(other, {partner: sizes[point] for point, partner in matches.items()}), measure)
    now = sides(results, measure)
    pairs = (
        [*values, *paired(was.get(matches.get(point, ""), absent.get(point, NOT_KNOWN)), now[point], CODES)]
        for point, *values in axes_table(sweep).itertuples(index=False)
    )
    table = pd.DataFrame(pairs, columns=[*sweep["axes"], *Paired._fields])
    changed = (
        differing(candidates[partner][0]["modules"], records[point][0]["modules"]) for point, partner in matches.items()
    )
    return Comparison(measure, CODES, table, sorted(set().union(*changed)))


def _records(store: Store, points: Iterable[str]) -> Records:
    """Return the records of the points that have parts."""
    return {point: store.records(point, parts) for point, parts in store.parts(points).items() if parts}


def _results(store: Store, sizes: Sizes) -> Results:
    """Return rows and outcomes of points, for the draws and replications of each."""
    parts = store.parts(sizes)
    by_point = outcomes(store, sizes, parts)
    table = pd.DataFrame(by_point.values(), columns=list(Outcome._fields)).assign(point=list(by_point))
    return Results(measurements(store, sizes, by_point, parts), table)


def comparison_lines(comparison: Comparison) -> list[str]:
    """Return the comparison as lines.

    After the table come the reasons why other points are not compared, and the code that differs.
    """
    table, (a, b) = comparison.table, comparison.names
    lines = [f"{comparison.measure}; difference is {b} - {a} over paired draws, ± its 95 % interval"]
    compared = table[table["reason"] == ""]
    fixed = int((~compared["varies"].astype(bool)).sum())
    compared = compared.drop(columns=["varies", "reason"])
    if len(compared):
        digits = {
            column: compared[column].map(f"{{:.{n}g}}".format, na_action="ignore") for column, n in DIGITS.items()
        }
        lines += aligned(compared.assign(**digits).rename(columns={"mean_a": a, "mean_b": b, "half_width": "±"}))
    if fixed:
        lines.append(f"{NOTHING_VARIES} in {fixed} of {counted(len(compared), 'comparison')}: one value, no interval")
    axes = [column for column in table if column not in Paired._fields]
    for reason, group in table[table["reason"] != ""].groupby("reason", sort=False):
        coordinates = " ".join(f"{axis}={','.join(map(str, group[axis].unique()))}" for axis in axes)
        lines.append(f"not compared ({len(group)}): {reason} [{coordinates}]")
    if comparison.modules is not None:
        lines.append(f"code that differs: {', '.join(comparison.modules) or 'none'}")
    return lines
