"""Lines of a trace file: UTF-8 text, perhaps packed by gzip.

Only one line is in memory at a time, and each bound is checked before more is read.
"""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader, TextIOWrapper
from itertools import count
from pathlib import Path
from typing import BinaryIO, cast

from system.documents.text_files import OTHER_FORMATS
from system.errors import InputError
from system.limits import DATA_BYTES, TRACE_LINE, TRACE_REQUESTS

TEXT_REMEDY = "save it as CSV or JSONL in UTF-8"
GZIP = b"\x1f\x8b"
# The first bytes of files that are often given as a trace, with what to do instead.
OTHER_KINDS = OTHER_FORMATS | {
    GZIP: "is packed by gzip; let its name end in .gz",
    b"PK\x03\x04": "is a zip archive or a spreadsheet; unpack it, or save the table as CSV",
    b"BZh": "is packed by bzip2; unpack it",
    b"\xfd7zXZ": "is packed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "is packed by zstd; unpack it",
    b"PAR1": f"is Parquet; {TEXT_REMEDY}",
}
SHORTEST_LINE = len("1,1,1\n")
BLOCK_BYTES = 2**20


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a file, ends included.

    Raises `InputError` for a file that is not text, and for one beyond the bounds.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(path, _unpacked(path, file))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} cannot be unpacked ({error}): it is damaged or incomplete; get it again") from error
    except OSError as error:
        raise InputError(f"file = {path}: cannot be read ({error.strerror}): give a file that you can read") from error


def refuse_too_many_lines(path: Path) -> None:
    """Raise `InputError` for a file that holds more requests than fit into memory.

    Only the ends of lines are counted, and only in a file that is large enough. A packed file is not unpacked.
    """
    if path.stat().st_size > SHORTEST_LINE * TRACE_REQUESTS:
        with path.open("rb") as file:
            line_count = sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK_BYTES), b""))
        refuse_too_many_requests(path, line_count - 1)


def refuse_too_many_requests(path: Path, request_count: int) -> None:
    """Raise `InputError` for more requests than fit into memory."""
    if request_count > TRACE_REQUESTS:
        raise InputError(f"{path} has more than {TRACE_REQUESTS:,} requests: give first, the number to replay")


def _unpacked(path: Path, file: BufferedReader) -> BinaryIO:
    """Return the content, unpacked where the name ends in .gz."""
    if not path.name.lower().endswith(".gz"):
        _refuse_other_kinds(path, file.peek(8))
        return file
    if file.peek(2)[:2] not in (b"", GZIP):
        raise InputError(f"{path} is not packed by gzip, although its name ends in .gz: rename it")
    unpacked = gzip.GzipFile(fileobj=file)
    _refuse_other_kinds(path, unpacked.peek(8))
    return cast(BinaryIO, unpacked)


def _refuse_other_kinds(path: Path, begin: bytes) -> None:
    for mark, sentence in OTHER_KINDS.items():
        if begin.startswith(mark):
            raise InputError(f"file = {path}: {sentence}")


def _lines(path: Path, content: BinaryIO) -> Iterator[str]:
    # Bytes that are not UTF-8 pass as surrogates, so that their line is known.
    text = TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="")
    size = 0
    for number in count(1):
        line = text.readline(TRACE_LINE + 1)
        size += len(line)
        if len(line) > TRACE_LINE or "\0" in line or not line.isascii():
            _require_text(f"{path}, line {number}", line)
        if size > DATA_BYTES:
            raise InputError(f"file = {path}: has more than {DATA_BYTES:,} characters; give a part of it")
        if not line:
            return
        yield line


def _require_text(location: str, line: str) -> None:
    """Raise `InputError` for a line that is too long or no text."""
    if "\0" in line:
        raise InputError(f"{location}: has NUL bytes, as binary files and UTF-16 have; {TEXT_REMEDY}")
    if len(line) > TRACE_LINE:
        raise InputError(f"{location}: has more than {TRACE_LINE:,} characters; give one request a line")
    try:
        line.encode()
    except UnicodeEncodeError as error:
        byte = ord(line[error.start]) & 0xFF
        raise InputError(f"{location}: is not UTF-8 (byte 0x{byte:02x}); {TEXT_REMEDY}") from None
