"""Text files that people give, read whole: only regular files, in UTF-8, of a bounded size.

Each error is one sentence with the file and the remedy.
"""

import os
import stat
from pathlib import Path

from system.checks import require
from system.errors import InputError
from system.limits import DOCUMENT_BYTES

# The first bytes of files that are often given in place of text.
OTHER_FORMATS = {
    b"\x1f\x8b": "is compressed (gzip); unpack it",
    b"PK\x03\x04": "is an archive (zip); unpack it",
    b"\xff\xfe": "is in UTF-16; save it in UTF-8",
    b"\xfe\xff": "is in UTF-16; save it in UTF-8",
}


def read_text(path: Path, field: str = "file") -> str:
    """Return the text of a file; raise `InputError` if it has none.

    A byte order mark at its begin is left out. `field` names the file in messages.
    """
    content = _bytes(path, field)
    for begin, remedy in OTHER_FORMATS.items():
        require(not content.startswith(begin), field, path, remedy)
    require(b"\0" not in content, field, path, "is not text: it has bytes of value 0; give a file in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        remedy = f"is not in UTF-8 (byte {content[error.start]:#x} in line {line}); save it in UTF-8"
        raise InputError(f"{field} = {path}: {remedy}") from error


def _bytes(path: Path, field: str) -> bytes:
    """Return the bytes of a regular file.

    A pipe or a device is not waited for, and no more than the limit is read.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            content = file.read(DOCUMENT_BYTES + 1) if is_regular else b""
    except FileNotFoundError as error:
        raise InputError(f"{field} = {path}: there is no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{field} = {path}: is a folder; give the path of a file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{field} = {path}: cannot be read ({reason}); give the path of a file") from error
    require(is_regular, field, path, "is not a regular file; give the path of one")
    require(len(content) <= DOCUMENT_BYTES, field, path, f"has more than {DOCUMENT_BYTES:,} bytes; give a smaller file")
    return content
