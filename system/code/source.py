"""The project's own source: the module that defines a name, the imports of a module, and hashes of its code."""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from os.path import isfile  # False for a name that is too long, too
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORT = re.compile(r"^[ \t]*(?:from (\w[\w.]*) import (?:\(([\w\s,]*)\)|(.+))|import (.+))$", re.MULTILINE)
WORD, NAME = re.compile(r"\bimport\b"), re.compile(r"[\w.]+")


@cache
def module_of(dotted: str) -> str | None:
    """Return the project module that a dotted name is in: its longest module prefix.

    `algorithms.demand.Rate` gives `algorithms.demand`. Returns None if no prefix is a module.
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
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if isfile(file)), None)


def module_at(file: Path) -> str:
    """Return the name of the module in a file of this project."""
    parts = file.resolve().relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def import_closure(modules: frozenset[str]) -> frozenset[str]:
    """Return the modules and all project modules that they import, directly or indirectly."""
    reached: set[str] = set()
    pending = set(modules)
    while pending:
        module = pending.pop()
        reached.add(module)
        pending |= _imports(module) - reached
    return frozenset(reached)


@cache
def _imports(module: str) -> frozenset[str]:
    """Return the project modules that a module imports anywhere in its text.

    Only absolute imports are considered; this project has no others.
    """
    names = _plain_names(source_text(module))
    if names is None:
        names = _parsed_names(_tree(module))
    modules = (name if file_of(name) else module_of(name) for name in names)
    return frozenset(module for module in modules if module)


def _plain_names(text: str) -> set[str] | None:
    """Return the names that plain lines import; None for other imports.

    To parse all modules takes longer than to make a small plan. A line of a docstring may count as well.
    """
    lines, names = IMPORT.findall(text), set[str]()
    if len(lines) != len(WORD.findall(text)):
        return None
    for source, listed, members_of, modules in lines:
        members = [
            part.split() for part in (listed or members_of or modules).partition("  #")[0].split(",") if part.strip()
        ]
        if not all(len(part) in (1, 3) and NAME.fullmatch(part[0]) for part in members):
            return None
        names.update(f"{source}.{part[0]}" if source else part[0] for part in members)
        names.update({source} - {""})
    return names


def _parsed_names(tree: ast.Module) -> set[str]:
    """Return the names that a module imports."""
    names: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
            names.add(node.module)
    return names


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements in a node, at any depth.

    Expressions are not visited: they are far more numerous and contain no statements.
    """
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
    """Return a hash of a module's syntax tree without docstrings.

    Comments and layout do not change the hash.
    """
    tree = ast.parse(ast.unparse(_tree(module)))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [child for child in node.body if not _is_text(child)]
    return short_hash(ast.dump(tree))


def code_of(modules: Iterable[str]) -> dict[str, str]:
    """Return the code hash of each module and of each module they import."""
    return {module: code_hash(module) for module in sorted(import_closure(frozenset(modules)))}


def text_hash(modules: Iterable[str]) -> str:
    """Return a hash of the modules' texts, comments included."""
    return short_hash("\0".join(f"{module}\0{source_text(module)}" for module in sorted(modules)))


def short_hash(text: str) -> str:
    """Return the first 16 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
