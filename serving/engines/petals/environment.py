"""The Python environment that has PETALS; this project's own does not."""

import subprocess
from pathlib import Path

from system import InputError

HERE = Path(__file__).parent
INSIDE = HERE / "inside"  # scripts that run in that environment
PYTHON = HERE.parents[2] / ".venv/petals/bin/python"  # where `make petals` puts it
REMEDY = "run make petals in the project's folder, or give the Python of an environment with PETALS 2.2"


def guarded(python: Path, *words: str) -> list[str]:
    """Return the command that runs a script or `-m` module until its parent ends.

    It runs in the environment, and offline.
    """
    return [str(python), str(INSIDE / "guarded.py"), *words]


def require_petals(python: Path) -> None:
    """Raise `InputError` unless a Python can import PETALS."""
    if not python.is_file():
        raise InputError(f"petals.python = {python}: there is no such file; {REMEDY}")
    look = "from importlib.util import find_spec; raise SystemExit(find_spec('petals') is None)"
    if subprocess.run([str(python), "-c", look], capture_output=True, check=False).returncode:
        raise InputError(f"petals.python = {python}: has no package petals; {REMEDY}")
