"""The identity of a point: what its numbers follow from, and nothing else.

It is a hash of the resolved configuration of the case (data checksums and hardware profiles are inlined in it) and
of the syntax trees of the first-party modules that its `_target_`s reach through their imports. So figures share
points, precision can be added, a comment or a docstring changes nothing, and an edited algorithm makes new points.

What it cannot see: code outside this project (its packages are recorded as provenance), environment variables, and
files that code reads under a name that the configuration does not show.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# Words about a hardware profile or a data set; its numbers and checksum are what counts.
DESCRIPTIVE = frozenset({"description", "source", "measured_on", "address", "licence", "citation"})


class Identity(NamedTuple):
    """A point's name, and apart from each other the two things of which it is made."""

    point: str  # sixteen hexadecimal digits
    configuration: str  # the same whatever the code: points of two versions of the code are paired by it
    modules: dict[str, str]  # hash of each module that the configuration reaches


def identity_of(case: Mapping[str, Any]) -> Identity:
    """The identity of a resolved case configuration with the code that it names."""
    reached = sorted(_closure(frozenset(_first_party_targets(case))))
    modules = {module: _code_hash(module) for module in reached}
    configuration = _hash(json.dumps(_essence(case), sort_keys=True, allow_nan=False))
    return Identity(_hash(configuration + json.dumps(modules)), configuration, modules)


def differing(modules: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    """Names of the modules that only one of two versions of the code has, or that differ between them."""
    return sorted({name for name, _ in modules.items() ^ others.items()})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _essence(node: Any) -> Any:
    """A configuration without what only describes, and with one way to write a whole number."""
    if isinstance(node, Mapping):
        return {key: _essence(child) for key, child in node.items() if key not in DESCRIPTIVE}
    if isinstance(node, (list, tuple)):
        return [_essence(child) for child in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _first_party_targets(node: Any) -> Iterator[str]:
    """Modules of every dotted name in the configuration that lies in this project."""
    if isinstance(node, Mapping):
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _first_party_targets(child)
    elif isinstance(node, str):
        module = _module_of(node)
        if module:
            yield module


@cache
def _module_of(dotted: str) -> str | None:
    """The longest prefix of a dotted name that is a module here: `algorithms.demand.Rate` is in `algorithms.demand`."""
    parts = dotted.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        return None
    for length in range(len(parts), 0, -1):
        if _file_of(".".join(parts[:length])):
            return ".".join(parts[:length])
    return None


@cache
def _file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _closure(modules: frozenset[str]) -> frozenset[str]:
    """The modules and all that they import, directly or not."""
    reached: set[str] = set()
    ahead = set(modules)
    while ahead:
        module = ahead.pop()
        reached.add(module)
        ahead |= _imports(module) - reached
    return frozenset(reached)


@cache
def _imports(module: str) -> frozenset[str]:
    """First-party modules that a module imports anywhere in its text (absolute imports; this project has no others)."""
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
            names.add(node.module)
    found = (name if _file_of(name) else _module_of(name) for name in names)
    return frozenset(name for name in found if name)


@cache
def _tree(module: str) -> ast.Module:
    file = _file_of(module)
    assert file is not None
    return ast.parse(file.read_text())


@cache
def _code_hash(module: str) -> str:
    """Of the syntax tree without docstrings: comments and layout do not count."""
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [child for child in node.body if not _is_text(child)]
    return _hash(ast.dump(tree))


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
