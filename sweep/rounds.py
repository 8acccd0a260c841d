"""Rounds of a sweep: with a target for the precision, points grow from round to round."""

from collections.abc import Mapping
from typing import Any

from store.disk.store import Store
from sweep.applicability import Point
from sweep.expansion import Sweep
from sweep.precision import Size, larger_sizes


class Rounds:
    """A sweep, and the size of each of its points in the present round."""

    def __init__(self, sweep: Sweep, labels: Mapping[str, Any]) -> None:
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
        """Return the record of the sweep for the store."""
        sweep = self.sweep
        record = {name: getattr(sweep, name) for name in ("fixed", "axes", "draws", "replications", "declared_count")}
        record["points"] = [self._entry(point) for point in sweep.points]
        record |= {"precision": sweep.target._asdict()} if sweep.target else {}
        return record | {"labels": self._labels}

    def _entry(self, point: Point) -> dict[str, Any]:
        entry = {"point": point.identity, "axes": point.axes, "is_declared": point.is_declared}
        return entry | (self.sizes[point.identity]._asdict() if self.sweep.target else {})
