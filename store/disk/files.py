"""Files of a store: written whole or not at all; set aside where they are not what they should be."""

import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from system import InputError

ASIDE = "aside"
TEMPORARY = ".tmp-"


class StoreError(InputError):
    """The store cannot be written: nothing that is computed would be kept."""


class StoreWarning(UserWarning):
    """A file in the store was torn or foreign and has been set aside."""


@dataclass(frozen=True)
class Files:
    """The files below a folder, which is made when first written to; names are relative to it."""

    folder: Path

    def read_json(self, name: str) -> Any:
        """The content of a file, None if it is not there. A file that is no JSON is set aside and counts as absent."""
        try:
            return json.loads((self.folder / name).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            self.set_aside(name, why="it is no JSON: torn, or not from here")
            return None

    def write_json(self, name: str, content: Any) -> None:
        """Write a file, whole or not at all."""
        self.write(name, json.dumps(content, indent=1, sort_keys=True).encode())

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; raises `StoreError` if the store cannot take it."""
        path = self.folder / name
        with problems_told(self.folder, f"write {name}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, content)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with problems_told(self.folder, f"remove {name}"):
            (self.folder / name).unlink(missing_ok=True)

    def set_aside(self, *names: str, why: str) -> None:
        """Move files that belong together to where nothing reads them, and warn."""
        told = " and ".join(names)
        with problems_told(self.folder, f"set {told} aside, though {why}"):
            (self.folder / ASIDE).mkdir(exist_ok=True)
            for name in names:
                (self.folder / name).replace(self.folder / ASIDE / name.replace("/", "-"))
        warnings.warn(f"store = {self.folder}: set {told} aside in {ASIDE}/; {why}", StoreWarning, stacklevel=2)


@contextmanager
def problems_told(folder: Path, doing: str) -> Iterator[None]:
    """Around what the system may refuse: a `StoreError` that says what could not be done, why, and what to do."""
    try:
        yield
    except OSError as error:
        remedy = "make room there, make it writable, or set store=..."
        raise StoreError(f"store = {folder}: cannot {doing} ({error.strerror}); {remedy}") from error


def _write_whole(path: Path, content: bytes) -> None:
    """Whole or not at all, even if the machine stops: temporary name, flush, rename."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=TEMPORARY, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
