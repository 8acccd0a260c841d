"""Comparison of sides of an experiment: values of an axis, or two versions of the code."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from store.comparisons.pairs import Measure, Paired, Side, no_side, paired, require_measure, sides, with_family
from store.comparisons.ranking import Ranking, rank_values
from store.comparisons.versions import Records, computed_by
from store.disk.identity import differing
from store.disk.outcome import Outcome
from store.disk.store import Store
from store.tables.currency import warn_of_outdated
from store.tables.filtered import matching_values, require_known
from store.tables.reading import (
    FOLDER,
    Results,
    Sizes,
    all_results,
    axes_of,
    axes_table,
    measurements,
    outcomes,
    points_of,
    results_of,
    sizes_of,
)
from store.tables.statistics import shown
from system.checks import require, require_one_of

CODES = ("other code", "this code")
NOT_KNOWN = no_side("")  # the other side of a point that was not computed, which has a reason of its own
BEST = ("smallest", "largest")
NOT_APPLIED = ""  # the value of an axis that does not apply to a point
Key = tuple[Any, ...]  # the values of the axes that are not compared


class Comparison(NamedTuple):
    """Sides of an experiment, each compared with the first, A.

    The table has a row for each pair of points: their axes, `Paired`, and what `with_family` adds.
    """

    measure: Measure
    names: tuple[str, ...]  # names of A and of each side that is compared with it
    table: pd.DataFrame
    modules: list[str] | None = None  # modules that differ between two versions of the code
    ranking: Ranking | None = None  # of more than two values

    @property
    def axes(self) -> list[str]:
        """Return the columns that tell one comparison from another."""
        return [str(column) for column in self.table if column not in (*Paired._fields, "p_holm", "joint_half_width")]

    @property
    def sides(self) -> tuple[str, str]:
        """Return the names of A and B; B stands for several."""
        return self.names[0], self.names[1] if len(self.names) == 2 else "B"

    @property
    def is_equal(self) -> pd.Series:
        """Return whether sides are equal in every draw."""
        return self.table["difference"].eq(0) & ~self.table["half_width"].gt(0)


def compare_values(
    experiment: str,
    axis: str,
    values: Sequence[Any],
    measure: Measure,
    store: str | Path = FOLDER,
    best: str = "smallest",
) -> Comparison:
    """Compare values of an axis with the first of them.

    They are compared at each combination of the other axes. More than two values are ranked as well; `best` says
    whether the `smallest` or the `largest` result comes first.
    """
    require_one_of(BEST, best=best)
    results = all_results(experiment, store)
    axes = axes_of(results.points)
    require_known(axes, axis=axis)
    chosen = [matching_values(results.points, axis, [str(value)])[0] for value in values]
    require(len(set(chosen)) == len(chosen) > 1, axis, ",".join(map(str, values)), "give two or more values, each once")
    require_measure(results.rows, measure)
    others = [other for other in axes if other != axis]
    first, *further = _by_value(results, measure, axis, chosen)
    names = [f"{axis}={shown(value)}" for value in chosen]
    pairs: dict[Key, list[list[Any]]] = {}
    for value, name, by_key in zip(chosen[1:], names[1:], further, strict=True):
        for key, cell in _cells(first, by_key).items():
            pairs.setdefault(key, []).append([*key, value, *paired(*cell, (names[0], name))])
    table = pd.DataFrame([row for rows in pairs.values() for row in rows], columns=[*others, axis, *Paired._fields])
    ranked = rank_values(_common_cells(first, further), chosen, best) if len(chosen) > 2 else None
    return Comparison(measure, tuple(names), with_family(table), ranking=ranked)


def _by_value(results: Results, measure: Measure, axis: str, values: Sequence[Any]) -> list[dict[Key, Side]]:
    """Return for each value of an axis its sides by the other axes."""
    by_point = sides(results, measure)
    others = [other for other in axes_of(results.points) if other != axis]
    by_value: dict[Any, dict[Key, Side]] = {value: {} for value in values}
    chosen = results.points[results.points[axis].isin(values)]
    for point in chosen.astype(object).where(chosen.notna(), NOT_APPLIED).to_dict("records"):
        by_value[point[axis]][tuple(point[other] for other in others)] = by_point[point["point"]]
    return list(by_value.values())


def _cells(a: Mapping[Key, Side], b: Mapping[Key, Side]) -> dict[Key, tuple[Side, Side]]:
    """Return both sides at each combination of the other axes."""
    absent, partners = no_side("no such point"), list(_partners(a, b))
    cells = {key: (a[of_a], b[of_b]) for key, of_a, of_b in partners}
    paired_a, paired_b = {of_a for _, of_a, _ in partners}, {of_b for _, _, of_b in partners}
    cells |= {key: (side, absent) for key, side in a.items() if key not in paired_a}
    return cells | {key: (absent, side) for key, side in b.items() if key not in paired_b}


def _common_cells(first: Mapping[Key, Side], further: Iterable[Mapping[Key, Side]]) -> list[tuple[Side, ...]]:
    """Return the sides of all values, where each value has a point."""
    cells: dict[Key, tuple[Side, ...]] = {key: (side,) for key, side in first.items()}
    for others in further:
        cells = {key: (*cells[of_cell], others[other]) for key, of_cell, other in _partners(cells, others)}
    return list(cells.values())


def _partners(a: Iterable[Key], b: Collection[Key]) -> Iterator[tuple[Key, Key, Key]]:
    """Yield the keys that agree, after what both say together.

    A side to which an axis does not apply stands for all values of that axis: it is paired with each of them.
    """
    for key in a:
        for other in [key] if key in b else [other for other in b if _agree(key, other)]:
            yield tuple(y if x == NOT_APPLIED else x for x, y in zip(key, other, strict=True)), key, other


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
    warn_of_outdated(store, experiment, sweep)
    results = results_of(store, sweep)
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
    table = with_family(pd.DataFrame(pairs, columns=[*sweep["axes"], *Paired._fields]))
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
