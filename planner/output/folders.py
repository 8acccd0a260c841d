"""The folder of a plan: which inventory file it belongs to, and what an older plan left in it."""

import hashlib
import json
import os
import re
from collections.abc import Collection
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple, Self

from system import InputError
from system.checks import require

DOCUMENT = "plan.json"  # says which inventory file the folder belongs to
DEFAULT = Path("outputs/plan")
OWN = re.compile(r"plan\.\w+|export_[\w.]+")  # names of files that a plan writes
REMEDY = "name a folder that can be written"


class Source(NamedTuple):
    """An inventory file, or a layout file, by its path and its content."""

    path: Path  # absolute
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the source for a file that can be read."""
        return cls(path.resolve(), hashlib.sha256(path.read_bytes()).hexdigest())

    def document(self, folder: Path) -> dict[str, str]:
        """Return the source for plan.json, with its path seen from the plan's folder."""
        return {"path": os.path.relpath(self.path, folder.resolve()), "sha256": self.sha256}

    def owns(self, folder: Path) -> bool:
        """Return whether the plan in a folder belongs to this file.

        It does even if the file was moved since.
        """
        owner = _owner(folder)
        if owner is None:
            return False
        return owner.path == self.path or (owner.sha256 == self.sha256 and not owner.path.exists())


def folder_of(source: Source, to: Path | None) -> Path:
    """Return the folder for a file's plan.

    It is the given one, or else one of its own below outputs/plan. Raises `InputError` if the folder cannot be
    written, or holds the plan of another file.
    """
    folder = to or _own_folder(source)
    require_folder(folder)
    is_free = not (folder / DOCUMENT).exists() or source.owns(folder)
    require(is_free, "to", folder, f"holds {_owner_words(folder)}; name another folder, or remove this one")
    return folder


def folder_note(folder: Path, source: Source, to: Path | None) -> str:
    """Return why the folder does not have the file's name, or nothing."""
    usual = DEFAULT / source.path.stem
    return "" if to or folder == usual else f", as {usual}/ holds {_owner_words(usual)}"


def require_folder(folder: Path) -> None:
    """Raise `InputError` unless the folder can be made or written."""
    try:
        parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise InputError(f"to = {folder}: {error.strerror}; {REMEDY}") from error
    require(parent.is_dir(), "to", folder, f"{parent} is a file; {REMEDY}")
    require(os.access(parent, os.W_OK | os.X_OK), "to", folder, f"{parent} cannot be written; {REMEDY}")


def remove_old_files(folder: Path, kept: Collection[str]) -> None:
    """Remove the files of an older plan, except those to keep."""
    names = _document(folder).get("files", [])
    for name in names if isinstance(names, list) else []:
        if isinstance(name, str) and OWN.fullmatch(name) and name not in kept:
            (folder / name).unlink(missing_ok=True)


def _own_folder(source: Source) -> Path:
    """Return the folder with the file's plan, or else the first without a plan.

    These folders are lab, lab-2, lab-3 and so on for a file lab.yaml.
    """
    name = source.path.stem
    alike = re.compile(rf"{re.escape(name)}(-\d+)?")
    others = DEFAULT.iterdir() if DEFAULT.is_dir() else ()
    own = sorted(folder for folder in others if alike.fullmatch(folder.name) and source.owns(folder))
    numbered = (DEFAULT / f"{name}-{number}" for number in count(2))
    return (
        own[0]
        if own
        else next(folder for folder in chain([DEFAULT / name], numbered) if not (folder / DOCUMENT).exists())
    )


def _owner(folder: Path) -> Source | None:
    """Return the file to which a folder belongs, if plan.json names one."""
    entry = _document(folder).get("inventory_file")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("path", "sha256")):
        return None
    return Source((folder / entry["path"]).resolve(), entry["sha256"])


def _owner_words(folder: Path) -> str:
    owner = _owner(folder)
    return "a plan that names no inventory file" if owner is None else f"the plan of {owner.path}"


def _document(folder: Path) -> dict[str, Any]:
    """Return plan.json of a folder; empty if it cannot be read."""
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
