"""Stamps: what outputs were made from, so that an output that would come out the same is not made again.

`stamps.json` in the folder of the figures has an entry for each output: a hash of all that it follows from, what came
of it in words, and the hashes of its files. Removing the file makes everything anew.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from system.code.source import ROOT, code_of

FILE = "stamps.json"
PACKAGES = ("matplotlib", "numpy", "pandas", "scipy", "seaborn")


class Made(NamedTuple):
    """What came of an output, in words where they are needed, and its files."""

    outcome: str
    files: list[Path]


class Output(Protocol):
    """A figure, a table or a page that can be made from the store."""

    @property
    def name(self) -> str:
        """The name of its stamp."""

    def inputs(self) -> str | None:
        """Return a hash of all that it follows from; None if it is always to be made."""

    def make(self) -> Made:
        """Write its files."""

    def lines(self, made: Made, note: str) -> str:
        """Return what is printed of it; the note says whether it was made."""


def hash_of(modules: Iterable[str], *facts: Any) -> str:
    """Return a hash of facts, the code of some modules and all that they import, the data beside it, and packages."""
    code = code_of(modules)
    folders = sorted({ROOT.joinpath(*module.split(".")[:-1]) for module in code})
    data = [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
    inputs = [facts, code, [version(package) for package in PACKAGES], [_content_hash(path) for path in data]]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _content_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Stamps:
    """The stamps of the outputs in a folder."""

    folder: Path

    def fitting(self, output: Output) -> Made | None:
        """Return what came of an output when it was last made, if it would come out the same; None if not."""
        stamp = self._read().get(output.name, {})
        try:
            made = Made(stamp["outcome"], [self.folder / name for name in stamp["files"]])
            written = [_content_hash(path) for path in made.files] == list(stamp["files"].values())
            return made if written and stamp["inputs"] == output.inputs() else None
        except (KeyError, TypeError, AttributeError, OSError):  # no stamp, a torn one, or a file that is gone
            return None

    def write(self, name: str, inputs: str | None, made: Made) -> None:
        """Note what came of an output."""
        files = {os.path.relpath(path, self.folder): _content_hash(path) for path in made.files}
        stamps = self._read() | {name: {"inputs": inputs, "outcome": made.outcome, "files": files}}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / FILE).write_text(json.dumps(stamps, indent=1), encoding="utf-8")

    def _read(self) -> dict[str, Any]:
        try:
            stamps = json.loads((self.folder / FILE).read_bytes())
        except (OSError, ValueError):
            return {}
        return stamps if isinstance(stamps, dict) else {}
