"""Locks on points that are being computed: each locks one byte of a file, and the system releases it with its owner.

However a worker ends, even with its machine, its locks are released, and nothing has to be cleaned up. On a file system
without locks two workers may compute the same point and commit the same rows twice.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from store.disk.files import Files
from store.disk.posix_locks import are_held, lock_bytes

NAME = "locks"


@contextmanager
def locked(folder: Path, point: str) -> Iterator[bool]:
    """Lock a point during the block; yield whether this process has the lock.

    A process does not exclude itself.
    """
    file = _file(folder)
    granted = _lock(file, point, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield granted
    finally:
        if granted:
            _lock(file, point, fcntl.LOCK_UN)


def wait_for_others(folder: Path, points: Iterable[str]) -> None:
    """Wait until no other process computes any of the points."""
    for point in points:
        with locked(folder, point) as free:
            if not free:
                _lock(_file(folder), point, fcntl.LOCK_EX)
                _lock(_file(folder), point, fcntl.LOCK_UN)


def is_held(folder: Path, point: str | None = None) -> bool:
    """Return whether another process computes this point, or any point.

    This takes no lock, so no other process is kept from a point.
    """
    first, length = (0, 0) if point is None else (_offset(point), 1)  # a length of 0 means the whole file
    try:
        return are_held(_existing_file(folder), first, length)
    except OSError:  # no lock was ever taken there, or the file system has none
        return False


@cache
def _existing_file(folder: Path) -> int:
    """Open the file of locks if it exists, so that reading creates no file."""
    return os.open(folder / NAME, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place would block


@cache
def _file(folder: Path) -> int:
    """Open the file of locks once in this process.

    It is never closed: closing any descriptor of the file would release all its locks.
    """
    files = Files(folder)
    with files.errors(f"write {NAME}"):
        folder.mkdir(parents=True, exist_ok=True)
        files.clear(NAME)
        return os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)


def _lock(file: int, point: str, operation: int) -> bool:
    """Lock or unlock the point's byte; return False if another process holds it."""
    return lock_bytes(file, operation, _offset(point), 1)


def _offset(point: str) -> int:
    return int(point, 16) >> 2  # offsets end at 2^63
