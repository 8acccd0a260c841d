"""The registry of data sets: where files are looked for, their checks, and the errors when a file is unavailable."""

import hashlib
import os
from dataclasses import replace
from email.message import Message
from urllib.error import HTTPError, URLError

import pytest
from hydra.utils import instantiate

from system import DataUnavailableError, InputError
from workloads import datasets
from workloads.datasets import DataSet, data_set

CONTENT = b"made up\n"
NAMES = ["azure_code", "azure_conversation", "ripe_atlas_europe"]
NAMES += ["topology_abvt", "topology_attmpls", "topology_bellcanada", "topology_gtsce"]


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Return a folder that replaces the public address; the cache is empty, CHAIN_DATA unset."""
    monkeypatch.delenv("CHAIN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "_unreachable", {})
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "tiny.csv").write_bytes(CONTENT)
    return folder


@pytest.fixture
def tiny(source):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return DataSet("tiny", "tiny.csv", (source / "tiny.csv").as_uri(), sha256, "none", "nobody")


@pytest.mark.parametrize("name", NAMES)
def test_registry_entries_make_data_sets(name):
    entry = instantiate(data_set(name))
    assert isinstance(entry, DataSet)
    assert (entry.name, entry.address.rsplit("/", 1)[-1]) == (name, entry.file)
    assert entry.licence
    assert entry.citation


def test_error_for_an_unknown_name_lists_the_nearest_names():
    with pytest.raises(InputError, match="dataset = azure_cod: there is no data set of that name; use azure_code"):
        data_set("azure_cod")
    with pytest.raises(InputError, match="use azure_code or azure_conversation or ripe"):
        data_set("zzz")


def test_file_in_the_given_folder_takes_precedence(tiny, tmp_path, monkeypatch):
    given = tmp_path / "given"
    for folder in (given, tmp_path / "cache/server-chains"):
        folder.mkdir(parents=True)
        (folder / tiny.file).write_bytes(CONTENT)
    assert tiny.path() == tmp_path / "cache/server-chains" / tiny.file
    monkeypatch.setenv("CHAIN_DATA", str(given))
    assert tiny.path() == given / tiny.file


def test_file_is_downloaded_to_the_cache_once(tiny, source, tmp_path):
    path = tiny.path()
    assert path == tmp_path / "cache/server-chains" / tiny.file
    assert path.read_bytes() == CONTENT
    (source / tiny.file).unlink()
    assert tiny.path() == path
    assert os.listdir(tmp_path / "cache/server-chains") == [tiny.file]


def test_given_folder_without_the_file_falls_back_to_download(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CHAIN_DATA", str(tmp_path))
    assert tiny.path() == tmp_path / "cache/server-chains" / tiny.file


def test_missing_given_folder_is_an_error(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CHAIN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"CHAIN_DATA = .*nowhere: there is no such folder"):
        tiny.path()


def test_existing_file_with_another_checksum_is_refused(tiny):
    path = tiny.path()
    path.write_bytes(b"tampered with\n")
    wrong = hashlib.sha256(b"tampered with\n").hexdigest()
    with pytest.raises(InputError, match=f"tiny.csv has SHA-256 {wrong}, but tiny has {tiny.sha256}: remove") as caught:
        tiny.path()
    assert not isinstance(caught.value, DataUnavailableError)


def test_download_with_another_checksum_leaves_no_file(tiny, tmp_path):
    other = replace(tiny, sha256="0" * 64)
    with pytest.raises(DataUnavailableError, match=r"the downloaded file has SHA-256 .* instead of 0000"):
        other.path()
    assert os.listdir(tmp_path / "cache/server-chains") == []


def test_failed_download_names_the_remedy_and_is_not_repeated(tiny, source, monkeypatch):
    (source / tiny.file).unlink()
    with pytest.raises(
        DataUnavailableError, match=r"tiny is not on this machine .*put tiny.csv into a folder and set CHAIN"
    ):
        tiny.path()
    monkeypatch.setattr(datasets, "_fetch", lambda *_: pytest.fail("tried again"))
    with pytest.raises(DataUnavailableError, match=r"tiny\.csv"):
        tiny.path()


def test_a_host_that_cannot_be_reached_is_asked_once(tiny, monkeypatch):
    asked_for = []

    def refused(address, *_):
        asked_for.append(address)
        raise URLError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr(datasets, "_fetch", refused)
    for address in ("https://one/a.csv", "https://one/b.csv", "https://two/a.csv"):
        with pytest.raises(DataUnavailableError, match=r" from .* \(\[Errno 111\] Connection refused\): put"):
            replace(tiny, address=address).path()
    assert asked_for == ["https://one/a.csv", "https://two/a.csv"]


def test_a_file_that_a_host_lacks_does_not_stop_others(tiny, monkeypatch):
    def absent(address, *_):
        raise HTTPError(address, 404, "Not Found", Message(), None)

    monkeypatch.setattr(datasets, "_fetch", absent)
    for address in ("https://one/a.csv", "https://one/b.csv"):
        with pytest.raises(DataUnavailableError, match=r"\(Not Found\)"):
            replace(tiny, address=address).path()
    assert set(datasets._unreachable) == {"https://one/a.csv", "https://one/b.csv"}


def test_without_a_home_a_temporary_folder_keeps_the_file(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr(datasets, "temporary_folder", lambda name: tmp_path / "temporary" / name)
    assert tiny.path() == tmp_path / "temporary/data" / tiny.file
    monkeypatch.setattr(datasets, "_fetch", lambda *_: pytest.fail("downloaded again"))
    assert tiny.path().read_bytes() == CONTENT


def test_without_any_folder_the_file_is_unavailable(tiny, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr(datasets, "temporary_folder", lambda name: None)
    with pytest.raises(DataUnavailableError, match="no folder can be written to keep it"):
        tiny.path()


def test_unchanged_file_is_hashed_once(tiny, monkeypatch):
    path = tiny.path()
    tiny.path()
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("hashed again"))
    assert tiny.path() == path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "12"}, "sha256 = '12': must be 64"),
        ({"file": "../tiny.csv"}, "file = '../tiny.csv': must be a file name"),
        ({"file": ""}, "file = ''"),
        ({"address": "ftp://host/tiny.csv"}, "address = ftp://host/tiny.csv: must begin with https"),
    ],
)
def test_invalid_entries_are_refused(tiny, change, message):
    with pytest.raises(InputError, match=message):
        replace(tiny, **change)
