"""The table of rooms in docs/architecture.md shows what the code does, and every room is installed."""

import ast
import re
import tomllib
from collections import defaultdict
from fnmatch import fnmatch
from functools import cache

from tests.support.project import ROOT

PAGE = ROOT / "docs/architecture.md"
ROW = re.compile(r"^\| `([\w.]+)` \| (.*?) \| (.*?) \|$", flags=re.MULTILINE)


@cache
def table():
    """Return the rooms of the page in order, each with those that it imports."""
    return {room: re.findall(r"`([\w.]+)`", allowed) for room, _, allowed in ROW.findall(PAGE.read_text())}


@cache
def modules():
    """Return by name the file of each module outside the tests."""
    tops = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
    files = [*ROOT.glob("*.py"), *(file for top in [*tops, ROOT / "hydra_plugins"] for file in top.rglob("*.py"))]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def room_of(module):
    """Return the narrowest room of the table that holds a module."""
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in table()), None)


def imports(file):
    """Yield the modules of the project that a file imports anywhere in its text."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            known = name if name in modules() else name.rpartition(".")[0]
            if known in modules():
                yield known


def imported_rooms():
    """Return by room the other rooms that its modules import."""
    rooms = defaultdict(set)
    for module, file in modules().items():
        rooms[room_of(module)] |= {room_of(name) for name in imports(file)}
    return {room: others - {room} for room, others in rooms.items()}


def test_every_module_is_in_a_room():
    assert [module for module in modules() if room_of(module) is None] == []


def test_the_table_names_rooms_above_only():
    above = set()
    for room, allowed in table().items():
        assert set(allowed) <= above, room
        above.add(room)


def test_rooms_import_what_the_table_says_and_nothing_else():
    imported = imported_rooms()
    assert {room: sorted(imported.get(room, set())) for room in table()} == {
        room: sorted(allowed) for room, allowed in table().items()
    }


def test_no_folder_has_more_than_fifteen_python_files():
    folders = {file.parent for file in modules().values()} | {file.parent for file in (ROOT / "tests").rglob("*.py")}
    assert {folder: count for folder in folders if (count := len(list(folder.glob("*.py")))) > 15} == {}


def test_hydra_is_known_to_the_doors_and_the_sweep_only():
    know = {
        module.partition(".")[0]
        for module, file in modules().items()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name and name.split(".")[0] in ("hydra", "omegaconf")
    }
    assert know == {"run", "sweep", "hydra_plugins"}


def test_every_package_is_installed_and_no_data_folder_is():
    """Check the folders that pyproject.toml hides from setuptools, which finds the others itself."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    excluded = settings["packages"]["find"]["exclude"]
    packages = {".".join(file.parent.relative_to(ROOT).parts) for file in modules().values()} - {""}
    assert [name for name in packages if any(fnmatch(name, pattern) for pattern in excluded)] == []
    folders = {"build", "conf", "docs", "outputs", "results", "site", "tests"}
    assert [name for name in folders if not any(fnmatch(name, pattern) for pattern in excluded)] == []
