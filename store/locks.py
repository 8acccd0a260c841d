"""Who is computing a point at the moment: a lock on a byte of one file, which the system releases when its owner ends.

However a worker ends, killed or with its machine, its locks are gone, and nothing has to be cleaned up. They are POSIX
record locks, which network file systems share between hosts. Where a file system has none every lock is granted: two
workers may then compute the same point, and commit the same rows twice.
"""

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from store.files import problems_told

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


def wait_for_others(folder: Path, points: Iterable[str]) -> set[str]:
    """Wait until nobody else is at any of the points; those on which somebody was."""
    waited = set()
    for point in points:
        with locked(folder, point) as free:
            if not free:
                waited.add(point)
                _lock(_file(folder), point, fcntl.LOCK_EX)
                _lock(_file(folder), point, fcntl.LOCK_UN)
    return waited


@cache
def _file(folder: Path) -> int:
    """Opened once a process and never closed: closing any descriptor of the file would release all its locks."""
    with problems_told(folder, "write locks"):
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / "locks", os.O_RDWR | os.O_CREAT, 0o666)


def _lock(file: int, point: str, how: int) -> bool:
    """Lock or unlock the point's byte; False if another process holds it."""
    try:
        fcntl.lockf(file, how, 1, int(point, 16) >> 2)  # offsets end at 2^63
    except OSError as error:
        if error.errno in HELD_BY_ANOTHER:
            return False
        if error.errno not in NO_LOCKS:
            raise
    return True
