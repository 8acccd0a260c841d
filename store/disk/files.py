"""Files of a store: written whole or not at all, and set aside if they are damaged or foreign.

A JSON file begins with the checksum of the rest of it, so that any damage is noticed. Files without one, of older code
or another hand, are read as well.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from stat import S_ISREG
from typing import Any

from store.disk.posix_locks import are_held, lock_bytes
from store.disk.shapes import Shape
from system import InputError
from system.limits import STORED_BYTES

ASIDE = "aside"
TEMPORARY = ".tmp-"
CHECKSUM = "sha256 of the rest"
LONGEST_WRITE_S = 3600.0  # writing a file never takes this long
NO_SUCH_FILE = (FileNotFoundError, NotADirectoryError)
IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)  # something else has the name of a file or folder
_SEAL = re.compile(rf'{{\n "{CHECKSUM}": "([0-9a-f]{{64}})"'.encode())


class StoreError(InputError):
    """Error for a store that cannot be written, so that results would be lost."""


class StoreWarning(UserWarning):
    """Warning that a file in the store has been set aside, or that other code computed results."""


class DamageError(Exception):
    """Error for a file that this project did not write as it is; the message says why."""


@dataclass(frozen=True)
class Files:
    """The files below a folder, which is created at the first write.

    Names of files are relative to the folder. `field` is what the command line calls it.
    """

    folder: Path
    field: str = "store"

    def names(self, folder: str, suffix: str = "") -> list[str]:
        """Return the visible files in a folder whose names have this end, in order."""
        with self.errors(f"list {folder}"):
            try:
                names = os.listdir(self.folder / folder)
            except OSError as error:
                if error.errno not in (errno.ENOENT, *IN_THE_WAY):
                    raise
                return []
        return [f"{folder}/{name}" for name in sorted(names) if name.endswith(suffix) and not name.startswith(".")]

    def read_json(self, name: str, shape: Shape) -> Any:
        """Return the content of a JSON file; None if it is absent.

        A file that is not JSON of this shape is set aside and counts as absent.
        """
        try:
            return self.content(name, shape)
        except DamageError as damage:
            self.set_aside(name, why=str(damage))
            return None

    def content(self, name: str, shape: Shape) -> Any:
        """Return the content of a JSON file; None if it is absent.

        Raises `DamageError` if it is not JSON of this shape.
        """
        text = self.read(name)
        return None if text is None else _parsed(text, shape)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file; None if it is absent.

        Raises `DamageError` for what is no file, and for one that is far too large.
        """
        path = self.folder / name
        with self.errors(f"read {name}"):
            try:
                status = path.stat()
                if not S_ISREG(status.st_mode):
                    raise DamageError("it is no file")
                if status.st_size > STORED_BYTES:
                    raise DamageError(f"it is larger than {STORED_BYTES:,} bytes")
                return path.read_bytes()
            except NO_SUCH_FILE:
                return None
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise DamageError("it is a link to itself") from error
                raise

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a table with its checksum, whole or not at all."""
        rest = "," * bool(content) + json.dumps(content, indent=1, sort_keys=True)[1:]
        self.write(name, f'{{\n "{CHECKSUM}": "{sha256_of(rest.encode())}"{rest}'.encode())

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all.

        What is in its way is set aside. Raises `StoreError` if it cannot be written.
        """
        path = self.folder / name
        with self.errors(f"write {name}"):
            try:
                _write_whole(path, content)
            except OSError as error:
                if error.errno not in IN_THE_WAY:
                    raise
                self.clear(name)
                _write_whole(path, content)

    def clear(self, name: str) -> None:
        """Set aside whatever is in the way of a file."""
        parents = [str(parent) for parent in Path(name).parents if parent.name]
        for parent in reversed(parents):
            if os.path.lexists(self.folder / parent) and not (self.folder / parent).is_dir():
                self.set_aside(parent, why="it is no folder")
        if os.path.lexists(self.folder / name) and not (self.folder / name).is_file():
            self.set_aside(name, why="it is no file")

    def remove(self, name: str) -> None:
        """Remove a file, or a folder that was set aside, if it is there."""
        path = self.folder / name
        with self.errors(f"remove {name}"):
            if path.is_dir() and not path.is_symlink() and name.startswith(f"{ASIDE}/"):
                rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def set_aside(self, *names: str, why: str) -> None:
        """Move files that belong together to a folder that nothing reads, and warn.

        In a store that cannot be written they stay, and count as absent all the same.
        """
        listed = " and ".join(names)
        try:
            (self.folder / ASIDE).mkdir(exist_ok=True)
            for name in names:
                _move(self.folder / name, self.folder / ASIDE / name.replace("/", "-"))
            done = f"set {listed} aside in {ASIDE}/"
        except OSError as error:
            done = f"left out {listed}, as setting it aside failed ({error.strerror})"
        warnings.warn(f"{self.field} = {self.folder}: {done}; {why}", StoreWarning, stacklevel=1)

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn an `OSError` of the block into a `StoreError` with a remedy."""
        try:
            yield
        except OSError as error:
            remedy = f"make room there, make it writable, or set {self.field}=..."
            if doing.startswith(("read", "list")):
                remedy = "make it readable"
            raise StoreError(f"{self.field} = {self.folder}: cannot {doing} ({error.strerror}); {remedy}") from error


def _parsed(content: bytes, shape: Shape) -> Any:
    """Return the value in a JSON file; raise `DamageError` for another shape."""
    try:
        value = json.loads(content.decode())
        if b"\\ud" in content:  # half of a character, which no terminal shows
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise DamageError("it is not JSON: torn, or not written by this project") from None
    seal = _SEAL.match(content)
    if seal and seal[1].decode() != sha256_of(content[seal.end(1) + 1 :]):
        raise DamageError("its content was changed")
    if isinstance(value, dict):
        value.pop(CHECKSUM, None)
    if fault := shape(value):
        raise DamageError(f"its shape is wrong: content{fault}")
    return value


def is_left_behind(path: Path) -> bool:
    """Return whether a temporary file has no living writer.

    Where locks do not say so, its age does.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return os.path.lexists(path)  # its writer may just have renamed it
    try:
        return not are_held(file, 0, 0)
    except OSError:
        return time.time() - os.fstat(file).st_mtime > LONGEST_WRITE_S
    finally:
        os.close(file)


def _move(path: Path, target: Path) -> None:
    """Move a file if it is still there; a number makes the name new."""
    number = 0
    while os.path.lexists(target):
        number += 1
        target = target.with_name(f"{target.name.removesuffix(f'.{number - 1}')}.{number}")
    try:
        path.rename(target)
    except FileNotFoundError:  # another process has set it aside
        return


def sha256_of(content: bytes) -> str:
    """Return the checksum of some bytes."""
    return hashlib.sha256(content).hexdigest()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, even if the machine stops.

    It is written under a temporary name, flushed to disk and renamed. Its lock says that the writer lives.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=TEMPORARY, delete=False) as file:
        try:
            lock_bytes(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB, 0, 0)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
