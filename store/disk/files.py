"""Files of a store: written whole or not at all, and set aside if they are damaged or foreign."""

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
    """Error for a store that cannot be written, so that results would be lost."""


class StoreWarning(UserWarning):
    """Warning that a file in the store has been set aside, or that other code computed results."""


@dataclass(frozen=True)
class Files:
    """The files below a folder, which is created at the first write.

    Names of files are relative to the folder.
    """

    folder: Path

    def read_json(self, name: str) -> Any:
        """Return the content of a JSON file; None if it is absent.

        A file that is not JSON is set aside and counts as absent.
        """
        try:
            return json.loads((self.folder / name).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            self.set_aside(name, why="it is not JSON: torn, or not written by this project")
            return None

    def write_json(self, name: str, content: Any) -> None:
        """Write a file, whole or not at all."""
        self.write(name, json.dumps(content, indent=1, sort_keys=True).encode())

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all.

        Raises `StoreError` if it cannot be written.
        """
        path = self.folder / name
        with store_errors(self.folder, f"write {name}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, content)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with store_errors(self.folder, f"remove {name}"):
            (self.folder / name).unlink(missing_ok=True)

    def set_aside(self, *names: str, why: str) -> None:
        """Move files that belong together to a folder that nothing reads, and warn."""
        listed = " and ".join(names)
        with store_errors(self.folder, f"set {listed} aside, though {why}"):
            (self.folder / ASIDE).mkdir(exist_ok=True)
            for name in names:
                (self.folder / name).replace(self.folder / ASIDE / name.replace("/", "-"))
        warnings.warn(f"store = {self.folder}: set {listed} aside in {ASIDE}/; {why}", StoreWarning, stacklevel=2)


@contextmanager
def store_errors(folder: Path, doing: str) -> Iterator[None]:
    """Turn an `OSError` of the block into a `StoreError` with a remedy."""
    try:
        yield
    except OSError as error:
        remedy = "make room there, make it writable, or set store=..."
        raise StoreError(f"store = {folder}: cannot {doing} ({error.strerror}); {remedy}") from error


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, even if the machine stops.

    It is written under a temporary name, flushed to disk and renamed.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=TEMPORARY, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
