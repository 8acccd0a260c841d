"""Stamps that record what outputs were made from, so that unchanged outputs are not made again.

`stamps.json` in the folder of the figures has an entry for each output: a hash of all its inputs, its outcome in words,
and the hashes of its files. If you remove this file, everything is made again.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from store.disk import shapes
from store.disk.files import Files
from system.code.source import ROOT, code_of

FILE = "stamps.json"
FILES = shapes.listed(shapes.row(shapes.text, shapes.text))  # names with their hashes, the most important first
STAMPS = shapes.table(shapes.fields(inputs=shapes.text, outcome=shapes.text, files=FILES))
PACKAGES = ("matplotlib", "numpy", "pandas", "scipy", "seaborn")


class Made(NamedTuple):
    """The result of making an output: the outcome in words, which may be empty, and the files."""

    outcome: str
    files: list[Path]


class Output(Protocol):
    """A figure, a table or a page that can be made from the store."""

    @property
    def name(self) -> str:
        """Return the name of its stamp."""

    def inputs(self) -> str | None:
        """Return a hash of all inputs, or None.

        An output without a hash is made every time.
        """

    def make(self) -> Made:
        """Write its files."""

    def lines(self, made: Made, note: str) -> str:
        """Return the lines to print.

        The note says if the output is unchanged.
        """


def hash_of(modules: Iterable[str], *facts: Any) -> str:
    """Return a hash of modules and further facts.

    It includes the versions of packages. The code of the modules counts with that of all modules that they import, and
    with the YAML files in their folders.
    """
    code = code_of(modules)
    folders = sorted({ROOT.joinpath(*module.split(".")[:-1]) for module in code})
    data = [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
    inputs = [facts, code, [version(package) for package in PACKAGES], [content_hash(path) for path in data]]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Stamps:
    """The stamps of the outputs in a folder."""

    folder: Path

    def up_to_date(self, output: Output) -> Made | None:
        """Return the result of an unchanged output, or None.

        An output is up to date if its inputs are those of its stamp and its files are as they were written.
        """
        stamp = self._read().get(output.name)
        if stamp is None:
            return None
        made = Made(stamp["outcome"], [self.folder / name for name, _ in stamp["files"]])
        try:
            untouched = [content_hash(path) for path in made.files] == [sha256 for _, sha256 in stamp["files"]]
        except OSError:  # a file is missing
            return None
        return made if untouched and stamp["inputs"] == output.inputs() else None

    def files_of(self, name: str) -> list[Path]:
        """Return the files of an output as its stamp lists them."""
        return [self.folder / file for file, _ in self._read().get(name, {}).get("files", [])]

    def write(self, name: str, inputs: str | None, made: Made) -> None:
        """Write the stamp of an output that was just made."""
        files = [(os.path.relpath(path, self.folder), content_hash(path)) for path in made.files]
        stamps = self._read() | {name: {"inputs": inputs, "outcome": made.outcome, "files": files}}
        self._files.write_json(FILE, stamps)

    @property
    def _files(self) -> Files:
        return Files(self.folder, "--to")

    def _read(self) -> dict[str, Any]:
        """Return all stamps; none if the file is damaged, which is set aside."""
        stamps: dict[str, Any] = self._files.read_json(FILE, STAMPS) or {}
        return stamps
