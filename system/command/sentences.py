"""Sentences for errors that Python raises: each names what is wrong and what to do."""

import errno
import os
from collections.abc import Callable

import yaml

from system.checks import echo
from system.errors import causes_of, input_error_behind, on_one_line
from system.limits import ECHO

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
REMEDIES = {
    **dict.fromkeys(NO_ROOM, "make room there, or choose another folder"),
    **dict.fromkeys(NO_PERMISSION, "change its permissions, or choose another"),
    errno.ENOENT: "check the path; paths start where the command is run",
    errno.EISDIR: "give a file",
    errno.ENOTDIR: "a part of the path is a file; give a path through folders",
    errno.EEXIST: "a file is in the way; remove it, or choose another path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its symbolic links lead to each other; remove one",
    errno.EMFILE: "close other files, or raise `ulimit -n`",
    errno.ENFILE: "this machine has too many files open; close some",
    errno.EAGAIN: "this machine cannot start more processes; end some, or use fewer workers",
}

REFUSED = {
    "embedded null": "path: contains a null character; remove it",
    "integer string conversion": "number: has too many digits; check the number of zeros",
}


def sentence(error: BaseException) -> str:
    """Return what a user reads of an error, on one line.

    An `InputError` among its causes has the sentence. Errors that Python and its packages raise for a user's input get
    a sentence of their own; other errors are bugs, and keep their type and message.
    """
    ours = input_error_behind(error)
    if ours is not None:
        return str(ours)
    return known_sentence(error) or on_one_line(f"{type(error).__name__}: {error}")


def known_sentence(error: BaseException) -> str:
    """Return the sentence for the first known cause, or nothing."""
    families = (
        (family(cause) for kind, family in FAMILIES.items() if isinstance(cause, kind)) for cause in causes_of(error)
    )
    return next((on_one_line(text) for texts in families for text in texts if text), "")


def _memory(error: BaseException) -> str:
    """Return the sentence for a lack of memory, with numpy's amount."""
    size = str(error).partition("Unable to allocate ")[2].partition(" for an array")[0]
    amount = f"memory = {size}" if size else "memory"
    return f"{amount}: this machine has too little; reduce the largest count, such as jobs, servers, blocks or workers"


def _nesting(_: BaseException) -> str:
    return "nesting: lists, mappings or references lie too deeply inside each other; write them flatter"


def _decoding(error: UnicodeDecodeError) -> str:
    byte = error.object[error.start]
    return f"text = byte {byte:#04x} at position {error.start}: is not {error.encoding}; save the file as UTF-8"


def _encoding(error: UnicodeEncodeError) -> str:
    text = ascii(error.object[error.start : error.end][:ECHO])
    return f"text = {text}: cannot be written as {error.encoding}; use other characters, or set PYTHONUTF8=1"


def _file(error: OSError) -> str:
    """Return the sentence for a file or folder, or nothing."""
    remedy = REMEDIES.get(error.errno or 0)
    if error.filename is None and remedy is None:
        return ""
    name = "file" if error.filename is None else echo(os.fsdecode(error.filename))
    return f"{name}: {error.strerror or error}; {remedy or 'check the path'}"


def _overflow(error: BaseException) -> str:
    return f"number: too large to compute with ({error}); check the units and the number of zeros"


def _division(error: BaseException) -> str:
    return f"number: too small, or 0 ({error}); check the units and the number of zeros"


def _value(error: ValueError) -> str:
    """Return the sentence for a value that Python itself refuses, or nothing."""
    return next((text for part, text in REFUSED.items() if part in str(error)), "")


def _yaml(error: yaml.YAMLError) -> str:
    """Return the sentence for a file that is no YAML."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    name = f"{mark.name}, line {mark.line + 1}" if mark else "file"
    return f"{name}: is not YAML ({problem or error}); correct it there"


# The families of errors that input can cause anywhere, with the sentence of each.
FAMILIES: dict[type[BaseException], Callable[..., str]] = {
    MemoryError: _memory,
    RecursionError: _nesting,
    UnicodeDecodeError: _decoding,
    UnicodeEncodeError: _encoding,
    OSError: _file,
    OverflowError: _overflow,
    ZeroDivisionError: _division,
    FloatingPointError: _overflow,
    yaml.YAMLError: _yaml,
    ValueError: _value,
}
