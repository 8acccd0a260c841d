"""Labels: the names that figures show for the values of an experiment's axes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from store.tables.statistics import shown


@dataclass(frozen=True)
class Labels:
    """Labels by axis and value, from the YAML files of config groups."""

    by_axis: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __call__(self, axis: str, value: Any) -> str:
        """Return the label of a value; the value itself where it has none."""
        return self.by_axis.get(axis, {}).get(shown(value), shown(value))


def labels_in(sweep: Mapping[str, Any]) -> Labels:
    """Return the labels in the record of an experiment; an old record has none."""
    return Labels(sweep.get("labels", {}))


def joined(several: Iterable[Labels]) -> Labels:
    """Return the labels of several experiments together."""
    by_axis: dict[str, dict[str, str]] = {}
    for labels in several:
        for axis, words in labels.by_axis.items():
            by_axis.setdefault(axis, {}).update(words)
    return Labels(by_axis)
