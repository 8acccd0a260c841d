"""Axes that apply to some points only: such points are listed once, and without that axis."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from system.checks import require
from system.words import counted

Others = tuple[tuple[str, str], ...]  # the values of all axes but one


class Point(NamedTuple):
    """One point of a sweep: its identity, the values of the axes that apply to it, and its resolved configuration.

    `is_declared` says whether the experiment's own file declares it: without overrides it would be there as well.
    `settings` are its values of all keys that it depends on (`Template.settings`).
    """

    identity: str
    axes: dict[str, str]
    case: dict[str, Any]
    is_declared: bool = True
    settings: Mapping[str, str] = {}


class Listing(NamedTuple):
    """The points of one grid, and the keys that it lists with their values as they were written."""

    values: dict[str, str]
    points: list[Point]


def listed_once(listing: Listing) -> Listing:
    """Return a listing without the repetitions that an idle axis makes.

    Where all values of an axis give the same identity, the axis does not apply. One of these points is kept, without
    that axis. The parts of a case (`algorithm=`, `evaluator=`) come last: if a scheme ignores a setting, and one value
    of the setting makes two schemes the same, the setting is what does not apply.
    """
    points = distinct(listing.points)
    for axis in sorted(listing.values, key=lambda axis: any(axis in point.case for point in points)):
        lines: defaultdict[Others, list[str]] = defaultdict(list)
        for point in points:
            lines[_others(point, axis)].append(point.identity)
        idle = {others for others, identities in lines.items() if len(identities) > 1 and len(set(identities)) == 1}
        points = distinct(
            point._replace(axes=dict(others)) if (others := _others(point, axis)) in idle else point for point in points
        )
    return Listing(listing.values, points)


def distinct(points: Iterable[Point]) -> list[Point]:
    """Return the points without repetitions.

    A point that another one lists with more axes is a repetition, too.
    """
    unique = list({(point.identity, *point.axes.items()): point for point in points}.values())
    alike: defaultdict[str, list[Point]] = defaultdict(list)
    for point in unique:
        alike[point.identity].append(point)
    return [p for p in unique if not any(p.axes.items() < other.axes.items() for other in alike[p.identity])]


def _others(point: Point, axis: str) -> Others:
    return tuple(item for item in point.axes.items() if item[0] != axis)


def require_effect(listings: Iterable[Listing]) -> None:
    """Raise `InputError` for an axis with values that give the same points throughout."""
    points = [point for listing in listings for point in listing.points]
    for axis in dict.fromkeys(axis for point in points for axis in point.axes):
        alike = _alike(points, axis)
        remedy = (
            "these values give the same points; sweep different values, and only of keys that change a point's numbers "
            "(not draws, replications or store)"
        )
        require(not alike, axis, ",".join(alike), remedy)


def _alike(points: Iterable[Point], axis: str) -> list[str]:
    """Return values of an axis that give the same points throughout, if any."""
    by_value: defaultdict[str, set[Any]] = defaultdict(set)
    for point in points:
        if axis in point.axes:
            by_value[point.axes[axis]].add((point.identity, _others(point, axis)))
    by_points: defaultdict[frozenset[Any], list[str]] = defaultdict(list)
    for value, identities in by_value.items():
        by_points[frozenset(identities)].append(value)
    return next((values for values in by_points.values() if len(values) > 1), [])


def notes_of(listings: Iterable[Listing]) -> list[str]:
    """Return a line for each key that does not apply to some points."""
    listings = list(listings)
    keys = dict.fromkeys(key for listing in listings for key in listing.values)
    return [note for key in keys if (note := _note(key, [listing for listing in listings if key in listing.values]))]


def _note(key: str, listings: Sequence[Listing]) -> str:
    points = [point.axes for listing in listings for point in listing.points]
    idle, active = [axes for axes in points if key not in axes], [axes for axes in points if key in axes]
    if not idle or not active:
        return f"note: {key} applies to no point" if idle else ""
    return f"note: {key} does not apply to {' or '.join(_description(idle, active))}: computed once each"


def _description(idle: Sequence[dict[str, str]], active: Sequence[dict[str, str]]) -> list[str]:
    """Return values of other keys that tell idle points from active ones."""
    left, words = list(idle), []
    for key in dict.fromkeys(key for axes in idle for key in axes):
        busy = {axes.get(key) for axes in active}
        values = list(dict.fromkeys(axes[key] for axes in left if key in axes and axes[key] not in busy))
        if values:
            words.append(f"{key}={', '.join(values)}")
            left = [axes for axes in left if axes.get(key) not in values]
    return words + ([counted(len(left), "other point" if words else "point")] if left else [])
