"""Folders for what commands keep between runs, even where the home folder or the project cannot be written."""

import os
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path


def home_cache() -> Path | None:
    """Return the user's cache folder; None for a user without a home."""
    return _home("XDG_CACHE_HOME", ".cache")


def _home(variable: str, name: str) -> Path | None:
    """Return the folder that a variable names, or else one in the home folder."""
    try:
        return Path(os.environ.get(variable) or Path.home() / name)
    except RuntimeError:  # neither HOME nor the system names a home
        return None


def can_write(folder: Path) -> bool:
    """Return whether files can be written into a folder; create it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@cache
def temporary_folder(name: str) -> Path | None:
    """Return a temporary folder that only this user can write.

    Later commands get the same folder. It is None if no folder can be written.
    """
    try:
        top = Path(tempfile.gettempdir()) / f"server-chains-{os.getuid()}"
        if not _is_private(top):
            top = Path(tempfile.mkdtemp(prefix="server-chains-"))
    except OSError:
        return None
    return top / name if can_write(top / name) else None


def _is_private(folder: Path) -> bool:
    """Return whether only this user can write a folder; create it."""
    folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    status = folder.lstat()
    is_shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not is_shared


@cache
def keep_matplotlib_files() -> None:
    """Let matplotlib use a temporary folder if its own cannot be written."""
    folders = [home and home / "matplotlib" for home in (_home("XDG_CONFIG_HOME", ".config"), home_cache())]
    if "MPLCONFIGDIR" in os.environ or all(folder and can_write(folder) for folder in folders):
        return
    if temporary := temporary_folder("matplotlib"):
        os.environ["MPLCONFIGDIR"] = str(temporary)


@cache
def note_once(sentence: str) -> None:
    """Tell the user something on stderr, once in a process."""
    sys.stderr.write(f"note: {sentence}\n")
