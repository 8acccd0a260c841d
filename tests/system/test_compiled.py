"""Compiled code: the cache on disk is used until a source changes, and reference counting changes no result."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import config, float64, njit, types
from numba.core.errors import NumbaError

from system.code.compiler import compiled, entry
from tests.support.project import ROOT

FILES = {
    "shop/__init__.py": "",
    "shop/tools.py": "from system.code.compiler import compiled\n\n\n@compiled\ndef add(x):\n    return x + 1\n",
    "shop/work.py": """\
from numba import float64
from shop.tools import add
from system.code.compiler import compiled, entry


@compiled(float64(float64))
def twice(x):
    return add(add(x))


@entry(float64(float64))
def thrice(x):
    return add(twice(x))
""",
    "shop/other.py": """\
from numba import float64
from system.code.compiler import compiled


@compiled(float64(float64))
def half(x):
    return x / 2
""",
    "shop/plain.py": "NUMBER = 1\n",
}
# Prints the results of the functions, and how often each was compiled and how often loaded from disk.
USE = """
import itertools
import json
from shop import other, plain, tools, work
functions = {"add": tools.add, "twice": work.twice, "thrice": work.thrice.dispatcher, "half": other.half}
results = [work.twice(1.0), work.thrice(1.0), other.half(1.0)]
stats = {name: (sum(f.stats.cache_misses.values()), sum(f.stats.cache_hits.values())) for name, f in functions.items()}
print(json.dumps([results, stats]))
"""
PAIR = """
from typing import NamedTuple
from system.code.compiler import compiled

class Pair(NamedTuple):
    first: float
    second: float

@compiled
def half_of(pair):
    return pair.first / pair.second


class Half:
    stats = half_of.stats

    def __call__(self, x):
        return half_of(Pair(x, 2.0))

half = Half()
"""
COMPILED, LOADED, UNUSED = [1, 0], [0, 1], [0, 0]


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def new_project(folder: Path) -> Path:
    """Create a separate project: a copy of `system` and a small package.

    `system` finds the project's root by the location of its own files.
    """
    shutil.copytree(ROOT / "system", folder / "system", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        write(folder, name, text)
    return folder


def start_project(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Return a new process that has used the functions."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    process = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    return process


def run_project(folder: Path, **environment: str) -> tuple[list[float], dict[str, list[int]]]:
    """Return a new process's results, and the functions that it compiled and loaded."""
    results, stats = json.loads(start_project(folder, **environment).stdout)
    return results, stats


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory):
    folder = new_project(tmp_path_factory.mktemp("project"))
    results, stats = run_project(folder)
    assert results == [3.0, 4.0, 0.5]
    assert stats == {"add": COMPILED, "twice": COMPILED, "thrice": COMPILED, "half": COMPILED}
    return folder


@pytest.fixture
def project(compiled_once, tmp_path):
    """Return a copy of the compiled project, for editing."""
    return shutil.copytree(compiled_once, tmp_path / "project")


NOTHING_COMPILED = {"add": UNUSED, "twice": LOADED, "thrice": LOADED, "half": LOADED}
OTHER_ADD = FILES["shop/tools.py"].replace("x + 1", "x + 10")


def test_a_second_process_compiles_nothing(project):
    assert run_project(project) == ([3.0, 4.0, 0.5], NOTHING_COMPILED)


def test_renaming_the_class_of_an_argument_is_handled(project):
    """Check that an index with the name of a removed class is ignored.

    numba stores classes by name, so it cannot read its index once a class has another name.
    """
    for name in ("Pair", "Couple"):
        write(project, "shop/other.py", PAIR.replace("Pair", name))
        assert run_project(project)[1]["half"] == COMPILED


def test_an_edit_of_a_function_in_another_file_recompiles_its_callers_only(project):
    write(project, "shop/tools.py", OTHER_ADD)
    results, stats = run_project(project)
    assert results == [21.0, 31.0, 0.5]
    assert stats == {"add": COMPILED, "twice": COMPILED, "thrice": COMPILED, "half": LOADED}
    assert run_project(project) == (results, NOTHING_COMPILED)


def test_an_edit_in_a_file_that_is_not_imported_compiles_nothing(project):
    write(project, "shop/plain.py", "NUMBER = 2\n")
    assert run_project(project) == ([3.0, 4.0, 0.5], NOTHING_COMPILED)


def test_an_edit_in_a_file_that_no_other_imports_compiles_only_its_functions(project):
    write(project, "shop/other.py", FILES["shop/other.py"].replace("x / 2", "x / 4"))
    assert run_project(project) == ([3.0, 4.0, 0.25], NOTHING_COMPILED | {"half": COMPILED})


def test_the_cache_folder_can_be_set(tmp_path):
    folder, environment = new_project(tmp_path / "project"), {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    run_project(folder, **environment)
    assert not list((folder / "shop").rglob("*.nbi"))
    assert list((tmp_path / "cache").rglob("*.nbi"))
    write(folder, "shop/tools.py", OTHER_ADD)
    results, stats = run_project(folder, **environment)
    assert results == [21.0, 31.0, 0.5]
    assert stats["half"] == LOADED


def weighted(values, weights):
    """Sum over slices, which are views of arrays and therefore have reference counts."""
    total = 0.0
    for first in range(0, values.size, 3):
        part, by = values[first : first + 3], weights[first : first + 3]
        for i in range(part.size):
            total += part[i] * by[i]
            part[i] = -total
    return total


@pytest.fixture
def compiled_anew(tmp_path, monkeypatch):
    """Return `compiled_anew(decorate, function)`, which uses a new cache folder for each call.

    A shared folder would mix up versions of one function that are compiled with different options.
    """
    folders = itertools.count()

    def _anew(decorate, function):
        monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / str(next(folders))))
        return decorate(function)

    return _anew


def test_results_are_the_same_without_reference_counting(compiled_anew):
    signed = compiled(float64(float64[::1], float64[::1]))
    decorators = (njit, compiled, compiled(creates_arrays=True), signed)
    versions = (weighted, *(compiled_anew(decorate, weighted) for decorate in decorators))
    rng = np.random.default_rng(1)
    for _ in range(20):
        values, weights = rng.normal(size=(2, int(rng.integers(0, 30))))
        results = []
        for function in versions:
            written = values.copy()
            results.append((function(written, weights), written.tobytes()))
        assert results == [results[0]] * len(versions)


def lengthened(values):
    return np.append(values, 1.0).sum()


def test_a_function_that_creates_arrays_needs_the_option(compiled_anew):
    with pytest.raises((NumbaError, RuntimeError)):
        compiled_anew(compiled, lengthened)(np.ones(2))
    assert compiled_anew(compiled(creates_arrays=True), lengthened)(np.ones(2)) == 3.0


def applied(function, x):
    return function(function(x))


def test_an_entry_takes_functions_and_is_compiled_at_its_first_call():
    called = entry(float64(types.FunctionType(float64(float64)), float64))(applied)
    assert called.dispatcher.signatures == []
    doubled, halved = (compiled(float64(float64))(function) for function in (lambda x: 2 * x, lambda x: x / 2))
    assert [called(doubled, 3.0), called(halved, 3.0)] == [12.0, 0.75]
    assert len(called.dispatcher.signatures) == 1
    with pytest.raises(TypeError, match="No matching definition"):
        called(doubled, "three")
