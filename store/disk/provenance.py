"""Provenance of numbers: the versions of code and packages, and the machine."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from system.code.source import ROOT, short_hash

CODE = ("*.py", "*.yaml")  # files of code and configuration, in any folder
DIGITS = 12  # of a commit
PACKAGES = ("hydra-core", "llvmlite", "numba", "numpy", "pandas", "pyarrow", "scipy", "server-chains")


@cache
def current_provenance() -> dict[str, Any]:
    """Return the versions of the code, Python and packages, and the machine."""
    return {
        "commit": commit_of(ROOT),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "machine": {
            "name": platform.node(),
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit_of(folder: Path) -> str | None:
    """Return the commit that is checked out, None outside repositories.

    `+` and a hash at its end say that code or configuration differs from the commit: eight digits of a hash of the
    files that are changed, new, or gone.
    """
    head = _git(folder, "rev-parse", f"--short={DIGITS}", "HEAD").strip()
    if not head:
        return None
    changed = _git(folder, "diff", "--name-only", "--relative", "--no-renames", "-z", "HEAD", "--", *CODE)
    new = _git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", *CODE)
    names = sorted(filter(None, (changed + new).split("\0")))
    files = [(name, _content(folder / name)) for name in names]
    return f"{head}+{short_hash(repr(files))[:8]}" if files else head


def full_commit(revision: str) -> str:
    """Return the full commit of a revision such as HEAD~2."""
    return _git(ROOT, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()


def _git(folder: Path, *words: str) -> str:
    """Return a git command's output, empty if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _content(path: Path) -> bytes | None:
    """Return a file's content, None if it is gone."""
    return path.read_bytes() if path.is_file() else None


def _processor() -> str:
    """Return the processor's name, as far as the system knows it."""
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
