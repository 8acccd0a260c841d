"""Locks of bytes of an open file: the system releases them with their owner, however that ends.

They are POSIX record locks, which network file systems share between hosts. On a file system without locks every lock
is granted.
"""

import errno
import fcntl
import os
import struct
import sys

HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def lock_bytes(file: int, operation: int, first: int, length: int) -> bool:
    """Lock or unlock bytes; return False if another process holds any.

    A length of 0 means the rest of the file.
    """
    try:
        fcntl.lockf(file, operation, length, first)
    except OSError as error:
        if error.errno in HELD_BY_ANOTHER:
            return False
        if error.errno not in NO_LOCKS:
            raise
    return True


def are_held(file: int, first: int, length: int) -> bool:
    """Return whether another process holds any of these bytes.

    This takes no lock, so no other process is kept from them. Raises `OSError` where there are no locks.
    """
    request = (fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
    if sys.platform == "darwin":
        request, shape, kind = (*request[2:], *request[:2]), "qqihh", 3
    else:
        shape, kind = "hhqqi", 0
    answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(shape, *request))
    return bool(struct.unpack(shape, answer)[kind] != fcntl.F_UNLCK)
