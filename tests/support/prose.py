"""Prose in code: summaries that do not begin with a verb or are too long, and names that say nothing.

`python -m tests.support.prose FOLDER_OR_FILE ...` lists them; `tests/docs/test_prose.py` keeps them out.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.project import ROOT

VERBS = frozenset(Path(__file__).with_name("verbs.txt").read_text().split())
FILLERS = frozenset(Path(__file__).with_name("fillers.txt").read_text().split())
MOST_WORDS = 14


class Summary(NamedTuple):
    """The first sentence of a function's docstring."""

    where: str
    text: str

    @property
    def begins_with_verb(self) -> bool:
        """Tell whether the first word is an imperative that `verbs.txt` lists."""
        return self.text.split()[0].strip(",.:").lower() in VERBS

    @property
    def word_count(self) -> int:
        """Count the words."""
        return len(self.text.split())


class Binding(NamedTuple):
    """A name that code gives to something: a variable, an argument, a function, a class or a field."""

    where: str
    name: str


def python_files(*folders: Path) -> list[Path]:
    """Return the Python files in folders, and files as they are."""
    files = [path for folder in folders for path in ([folder] if folder.is_file() else sorted(folder.rglob("*.py")))]
    return [path for path in files if not {".venv", "outputs"} & set(path.parts)]


def summaries(path: Path) -> Iterator[Summary]:
    """Yield the summaries of a file's functions that have a docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield Summary(f"{_name(path)}:{node.lineno}", text.partition("\n\n")[0])


def bindings(path: Path) -> Iterator[Binding]:
    """Yield the names that a file binds."""
    for node in ast.walk(ast.parse(path.read_text())):
        name = None
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        if name is not None:
            yield Binding(f"{_name(path)}:{node.lineno}", name)


def _name(path: Path) -> str:
    return str(path.resolve().relative_to(ROOT)) if path.resolve().is_relative_to(ROOT) else str(path)


def main() -> None:
    """Print what is wrong in the files that the command names."""
    files = python_files(*map(Path, sys.argv[1:]))
    for path in files:
        for summary in summaries(path):
            if not summary.begins_with_verb or summary.word_count > MOST_WORDS:
                sys.stdout.write(f"{summary.where}: {summary.text!r} ({summary.word_count} words)\n")
        for binding in bindings(path):
            if binding.name.strip("_") in FILLERS:
                sys.stdout.write(f"{binding.where}: filler name {binding.name}\n")


if __name__ == "__main__":
    main()
