"""Compiled code where neither the project nor a home can be written, and how far compiling is."""

import json
import os
import tempfile
from types import SimpleNamespace

import numpy as np
from numba import float64, njit

from system.code import compiler, compiling
from system.code.compiler import compiled
from system.code.folders import temporary_folder
from tests.system.test_compiled import NOTHING_COMPILED, new_project, run_project, start_project

NO_HOME = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null"}


def test_a_project_that_cannot_be_written_is_compiled_into_a_temporary_folder(tmp_path):
    folder, temporary = new_project(tmp_path / "project"), tmp_path / "temporary"
    temporary.mkdir()
    for package in ("shop", "system/code"):
        (folder / package / "__pycache__").write_text("no folder")
    process = start_project(folder, TMPDIR=str(temporary), **NO_HOME)
    assert json.loads(process.stdout)[0] == [3.0, 4.0, 0.5]
    (kept,) = temporary.glob("server-chains-*/compiled")
    note = f"note: compiled code is kept in {kept}, as neither the project nor a home folder can be written\n"
    assert process.stderr.startswith(note)
    assert process.stderr.count("note: ") == 1
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert run_project(folder, TMPDIR=str(temporary), **NO_HOME) == ([3.0, 4.0, 0.5], NOTHING_COMPILED)


def test_a_temporary_folder_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shared = tmp_path / f"server-chains-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    own = temporary_folder.__wrapped__("compiled")
    assert own.parent.parent == tmp_path
    assert own.parent != shared
    shared.chmod(0o700)
    assert temporary_folder.__wrapped__("compiled") == shared / "compiled"


def test_without_any_folder_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(compiler, "temporary_folder", lambda name: None)
    monkeypatch.setattr(compiler, "_LOCATORS", f"{compiler.__name__}.TemporaryFolder")
    dispatcher = compiled(float64(float64))(lambda x: 3 * x)
    assert dispatcher(2.0) == 6.0
    assert not hasattr(dispatcher._cache, "_cache_file")


def test_progress_counts_the_functions_that_are_compiled(monkeypatch, capsys):
    monkeypatch.setattr(compiling, "PATIENCE_S", 0.0)
    monkeypatch.setattr(compiling, "INTERVAL_S", 0.0)
    progress = compiling._Progress()
    functions = [lambda x, number=number: x + number for number in range(3)]
    progress.dispatchers = {function: njit(function) for function in functions}
    progress.dispatchers[functions[2]](1)  # has code, so it is not counted
    progress.dispatchers[np.sum] = None
    capsys.readouterr()
    for function in (functions[0], functions[0], lambda x: x, functions[1]):
        begun = SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=function)})
        progress.on_start(begun)
        progress.on_end(begun)
    line = "compiling, once after each change of the code: {} of up to 3 functions\n"
    assert capsys.readouterr().err == line.format(1) + line.format(2)
