"""The project's own source: which module a name is in, what it imports, and the hash of its code."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def module_of(dotted: str) -> str | None:
    """Return the longest prefix of a dotted name that is a module here; None if there is none.

    `algorithms.demand.Rate` is in `algorithms.demand`.
    """
    parts = dotted.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        return None
    for length in range(len(parts), 0, -1):
        if file_of(".".join(parts[:length])):
            return ".".join(parts[:length])
    return None


@cache
def file_of(module: str) -> Path | None:
    """Return the file of a module; None if it is not in this project."""
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def module_at(file: Path) -> str:
    """Return the name of the module in a file of this project."""
    parts = file.resolve().relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def import_closure(modules: frozenset[str]) -> frozenset[str]:
    """Return the modules and all modules of this project that they import, directly or not."""
    reached: set[str] = set()
    ahead = set(modules)
    while ahead:
        module = ahead.pop()
        reached.add(module)
        ahead |= _imports(module) - reached
    return frozenset(reached)


@cache
def _imports(module: str) -> frozenset[str]:
    """Return what a module imports anywhere in its text (absolute imports; this project has no others)."""
    names: set[str] = set()
    for node in _statements(_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
            names.add(node.module)
    found = (name if file_of(name) else module_of(name) for name in names)
    return frozenset(name for name in found if name)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements in a node, however deep; expressions, of which there are far more, hold none."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, block, ()):
            yield child
            yield from _statements(child)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(source_text(module))


def source_text(module: str) -> str:
    """Return the text of a module of this project."""
    file = file_of(module)
    assert file is not None
    return file.read_text()


@cache
def code_hash(module: str) -> str:
    """Return a hash of the syntax tree without docstrings: comments and layout do not count."""
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [child for child in node.body if not _is_text(child)]
    return short_hash(ast.dump(tree))


def code_of(modules: Iterable[str]) -> dict[str, str]:
    """Return the hash of each module that some modules reach through their imports, and of these themselves."""
    return {module: code_hash(module) for module in sorted(import_closure(frozenset(modules)))}


def text_hash(modules: Iterable[str]) -> str:
    """Return a hash of the texts of modules as they are, comments and all."""
    return short_hash("\0".join(f"{module}\0{source_text(module)}" for module in sorted(modules)))


def short_hash(text: str) -> str:
    """Return sixteen hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
