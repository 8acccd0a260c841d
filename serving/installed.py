"""Whether an extra is there; what is in this folder without torch can ask before it needs it."""

from importlib.util import find_spec

from system import InputError


def require_installed(package: str, extra: str = "runtime") -> None:
    """Raise `InputError` with the remedy if a package of an extra is missing."""
    if find_spec(package) is None:
        raise InputError(f'{package}: not installed; pip install -e ".[{extra}]" in the project\'s folder')
