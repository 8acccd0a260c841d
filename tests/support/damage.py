"""Damage to files of a store, as torn disks, other programs and people do it."""

import os
from pathlib import Path

DEEP = b"[" * 100_000
HUGE = b'{"format": 1' + b"0" * 5000 + b"}"


def flip(path, rng):
    """Change one byte of a file."""
    content = bytearray(path.read_bytes() or b"\0")
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def truncate(path, rng):
    """Cut a file off at a random byte."""
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content) or 1)])


def replace_by_folder(path, rng):
    """Put a folder with a file in place of a file."""
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("of somebody else")


def replace_by_loop(path, rng):
    """Put a link to itself in place of a file."""
    path.unlink()
    path.symlink_to(path.name)


def replace_by_pipe(path, rng):
    """Put a pipe, which nobody writes to, in place of a file."""
    path.unlink()
    os.mkfifo(path)


def replace_by_other(path, rng):
    """Put the content of another file of the store in place of a file's."""
    folder = next(parent for parent in path.parents if (parent / "locks").exists())
    others = [other for other in files_of(folder) if other.parent != path.parent] or [Path(__file__)]
    path.write_bytes(others[rng.integers(len(others))].read_bytes())


def delete(path, rng):
    """Delete a file."""
    path.unlink()


def write(content):
    """Return the damage that writes this content."""

    def damage(path, rng):
        path.write_bytes(content)

    return damage


TEXTS = (b"null", b"[]", b"[1]", b"5", b"{}", b'"text"', b"", b"\xff\xfe\x00", b"{\n", DEEP, HUGE, b'{"a": "\\ud800"}')
DAMAGES = {
    **{f"{text[:12]!r}": write(text) for text in TEXTS},
    "flip": flip,
    "truncate": truncate,
    "folder": replace_by_folder,
    "loop": replace_by_loop,
    "pipe": replace_by_pipe,
    "other": replace_by_other,
    "delete": delete,
}


def files_of(folder: Path) -> list[Path]:
    """Return the files of a store in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and "aside" not in path.parts)
