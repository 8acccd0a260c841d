"""Data files that configurations have the content of, such as hardware profiles, and hashes that show their changes.

Such a file stands beside the code that a `_target_` names, under the `name` beside that `_target_`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from store.disk.identity import essence
from system.checks import is_name
from system.code import source
from system.code.source import file_of, module_of, short_hash
from system.documents.yaml_files import read_yaml


def data_of(case: Mapping[str, Any]) -> dict[str, str]:
    """Return present hashes of the data files behind a case."""
    return {name: data_hash(name) for name in sorted(set(_files(case)))}


def data_hash(name: str) -> str:
    """Return a data file's hash, empty without the file.

    Keys that only describe the data do not change it.
    """
    path = source.ROOT / name
    return _data_hash(path, path.stat().st_mtime_ns) if path.is_file() else ""


@lru_cache(maxsize=256)
def _data_hash(path: Path, modified_ns: int) -> str:
    content = read_yaml(path)
    return short_hash(json.dumps(essence(content), sort_keys=True, default=str))


def _files(node: Any) -> Iterator[str]:
    """Yield the names of data files, relative to the project."""
    if isinstance(node, Mapping):
        code = file_of(module_of(str(node.get("_target_"))) or "")
        name = node.get("name")
        path = code.with_name(f"{name}.yaml") if code and is_name(name) else None
        if path and path.is_file():
            yield str(path.relative_to(source.ROOT))
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _files(child)
