"""A check that an extra is installed, for modules that import it only when they need it."""

from importlib.util import find_spec

from system import InputError


def require_installed(package: str, extra: str = "runtime") -> None:
    """Raise `InputError` if a package of an extra is missing.

    The message has the command that installs the extra.
    """
    if find_spec(package) is None:
        raise InputError(f'{package}: not installed; pip install -e ".[{extra}]" in the project\'s folder')
