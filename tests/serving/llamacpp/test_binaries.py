"""The programs of llama.cpp are found in the order of the documentation, and belong together."""

import warnings

import pytest

from serving.engines.llamacpp import binaries
from serving.engines.llamacpp.binaries import Build, UntestedBuildWarning, find_binaries, require_protocol
from system import InputError
from tests.serving.llamacpp.fakes import LLAMA_SERVER, RPC_SERVER, program
from tests.serving.llamacpp.layouts import needs_llamacpp


@pytest.fixture(autouse=True)
def _no_others(monkeypatch, tmp_path):
    """Hide what this machine has."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")


def folder_of(path, rpc_name="rpc-server", version="10434 (abcdef1)"):
    """Return a folder with both programs."""
    path.mkdir()
    program(path, "llama-server", LLAMA_SERVER.replace("10434 (abcdef1)", version))
    program(path, rpc_name, RPC_SERVER)
    return path


def test_a_setting_comes_before_path_and_path_before_the_folder_of_the_other(tmp_path):
    mine, on_path = folder_of(tmp_path / "mine", "ggml-rpc-server"), folder_of(tmp_path / "path")
    assert find_binaries()[:2] == (f"{on_path}/llama-server", f"{on_path}/rpc-server")
    assert find_binaries(f"{mine}/llama-server")[:2] == (f"{mine}/llama-server", f"{on_path}/rpc-server")
    (on_path / "rpc-server").unlink()
    assert find_binaries(f"{mine}/llama-server")[:2] == (f"{mine}/llama-server", f"{mine}/ggml-rpc-server")
    (on_path / "llama-server").unlink()
    assert find_binaries(None, f"{mine}/ggml-rpc-server")[0] == f"{mine}/llama-server"


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (
            "llama-server",
            "llama-server: not found; install llama.cpp .b10434, .* set llama_server, or pip install",
        ),
        ("rpc-server", "rpc-server or ggml-rpc-server: not found; .* built with -DGGML_RPC=ON.* set rpc_server"),
    ],
)
def test_a_missing_program_is_one_sentence_with_the_remedy(tmp_path, missing, words):
    (folder_of(tmp_path / "path") / missing).unlink()
    with pytest.raises(InputError, match=words):
        find_binaries()


def test_a_setting_that_is_no_program_is_refused(tmp_path):
    folder_of(tmp_path / "path")
    with pytest.raises(InputError, match="rpc_server = /nowhere/rpc-server: is no program that can be run"):
        find_binaries(None, "/nowhere/rpc-server")


@pytest.mark.parametrize(
    ("version", "build"),
    [
        ("10400 (abcdef1)", Build(10400, "abcdef1")),
        ("0.1.0-dev (build 7, commit 0123456)", Build(7, "0123456")),
    ],
)
def test_another_build_is_used_with_a_warning(tmp_path, version, build):
    folder_of(tmp_path / "path", version=version)
    with pytest.warns(UntestedBuildWarning, match=f"is build b{build.number} .* tested with b10434"):
        assert find_binaries().build == build


@pytest.mark.parametrize("version", ["10434 (0000000)", "0.1.0-dev (build 1, commit 7e4c0a9)"])
def test_the_tested_build_is_known_by_its_number_or_its_commit(tmp_path, version):
    folder_of(tmp_path / "path", version=version)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_binaries().build.is_tested


def test_protocols_are_compared_for_the_tested_build_only():
    log, tested = "Starting RPC server v4.2.0\n", Build(10434, "abcdef1")
    with pytest.raises(InputError, match="mine: speaks version 4 of the RPC protocol"):
        require_protocol("mine", log, tested)
    require_protocol("mine", log.replace("v4", "v5"), tested)
    require_protocol("mine", log, Build(10000, "abcdef1"))
    require_protocol("mine", "a log of another form", tested)


@needs_llamacpp
def test_the_wheel_is_the_tested_build(monkeypatch):
    monkeypatch.undo()
    if "skulk" in find_binaries().llama_server:
        assert find_binaries().build.is_tested
