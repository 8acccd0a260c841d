"""Who is computing a point at the moment: a lock on a byte of one file, which the system releases when its owner ends.

However a worker ends, killed or with its machine, its locks are gone, and nothing has to be cleaned up. They are POSIX
record locks, which network file systems share between hosts. Where a file system has none every lock is granted: two
workers may then compute the same point, and commit the same rows twice.
"""

import errno
import fcntl
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from store.disk.files import problems_told

HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(folder: Path, point: str) -> Iterator[bool]:
    """Whether this process, and no other, is now at the point. A process does not exclude itself."""
    file = _file(folder)
    granted = _lock(file, point, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield granted
    finally:
        if granted:
            _lock(file, point, fcntl.LOCK_UN)


def wait_for_others(folder: Path, points: Iterable[str]) -> None:
    """Wait until nobody else is at any of the points."""
    for point in points:
        with locked(folder, point) as free:
            if not free:
                _lock(_file(folder), point, fcntl.LOCK_EX)
                _lock(_file(folder), point, fcntl.LOCK_UN)


def is_held(folder: Path, point: str | None = None) -> bool:
    """Whether another process is at the point, or at any at all. Asks without locking, so nobody is turned away."""
    first, length = (0, 0) if point is None else (_place(point), 1)  # a length of 0 is all of the file
    question = (fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
    if sys.platform == "darwin":
        question, shape, kind = (*question[2:], *question[:2]), "qqihh", 3
    else:
        shape, kind = "hhqqi", 0
    try:
        answer = fcntl.fcntl(_file_to_ask(folder), fcntl.F_GETLK, struct.pack(shape, *question))
    except OSError:  # no lock was ever taken there, or none can be
        return False
    return bool(struct.unpack(shape, answer)[kind] != fcntl.F_UNLCK)


@cache
def _file_to_ask(folder: Path) -> int:
    """As `_file`, but makes nothing in a store that is only looked at."""
    return os.open(folder / "locks", os.O_RDONLY)


@cache
def _file(folder: Path) -> int:
    """Opened once a process and never closed: closing any descriptor of the file would release all its locks."""
    with problems_told(folder, "write locks"):
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / "locks", os.O_RDWR | os.O_CREAT, 0o666)


def _lock(file: int, point: str, how: int) -> bool:
    """Lock or unlock the point's byte; False if another process holds it."""
    try:
        fcntl.lockf(file, how, 1, _place(point))
    except OSError as error:
        if error.errno in HELD_BY_ANOTHER:
            return False
        if error.errno not in NO_LOCKS:
            raise
    return True


def _place(point: str) -> int:
    return int(point, 16) >> 2  # offsets end at 2^63
