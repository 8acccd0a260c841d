"""Labels of config group choices, from the first lines of their YAML files.

Such a line reads `# LABEL: description.`
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

LABEL = re.compile(r"#\s*(.+?)\s*:(\s|$)")


def labels_of(points: Iterable[Mapping[str, str]], folders: Sequence[Traversable]) -> dict[str, dict[str, str]]:
    """Return the labels of config group choices among the axes, by axis and value.

    `points` are the values of the axes of each point. `folders` are the folders that Hydra composes from; the first
    folder that has a file counts.
    """
    values: dict[str, dict[str, None]] = {}
    for axes in points:
        for axis, value in axes.items():
            values.setdefault(axis, {})[value] = None
    groups = {axis: [folder.joinpath(*axis.partition("@")[0].split("/")) for folder in folders] for axis in values}
    known = {axis: [group for group in groups[axis] if group.is_dir()] for axis in values}
    labels = {axis: _labels(values[axis], known[axis]) for axis in values}
    return {axis: words for axis, words in labels.items() if words}


def _labels(values: Iterable[str], groups: Sequence[Traversable]) -> dict[str, str]:
    """Return the labels of the values of one axis."""
    paths = {value: [group.joinpath(f"{value}.yaml") for group in groups] for value in values}
    first = {value: next((path for path in paths[value] if path.is_file()), None) for value in paths}
    return {value: label(path, value) for value, path in first.items() if path is not None}


def label(path: Traversable, name: str) -> str:
    """Return the label on a file's first line; the name if it has none.

    The label is the text of the comment before the colon.
    """
    with path.open(encoding="utf-8") as lines:
        match = LABEL.match(lines.readline())
    return match[1] if match else name


def config_folders(sources: Iterable[Any]) -> list[Traversable]:
    """Return the folders of Hydra's config search path.

    It includes `--config-dir` and `hydra.searchpath`.
    """
    kinds = {"file": Path, "pkg": files}
    return [kinds[source.schema](source.path) for source in sources if source.schema in kinds]
