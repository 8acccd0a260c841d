"""Registry of public data sets.

A file is taken from the folder that CHAIN_DATA names or from the user's cache, else it is downloaded. It is always
checked by SHA-256. None of the data is part of this project: its owners decide on its licence and size. The entries are
in `datasets.yaml`.
"""

import difflib
import hashlib
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

import yaml
from tqdm import tqdm

from system.checks import require
from system.errors import DataUnavailableError, InputError

FOLDER_VARIABLE = "CHAIN_DATA"
CONNECT_TIMEOUT_S = 5.0
CHUNK_BYTES = 1 << 16

# Addresses that failed in this process, with the reason. A sweep must not wait for them again at every point.
_unreachable: dict[str, str] = {}


@dataclass(frozen=True)
class DataSet:
    """One public file, identified by its SHA-256."""

    name: str
    file: str
    address: str
    sha256: str
    licence: str
    citation: str

    def __post_init__(self) -> None:
        require(
            self.file == Path(self.file).name != "", "file", repr(self.file), "must be a file name without a folder"
        )
        is_sum = len(self.sha256) == 64 and set(self.sha256) <= set("0123456789abcdef")
        require(is_sum, "sha256", repr(self.sha256), "must be 64 lower-case hexadecimal digits")
        scheme = urlsplit(self.address).scheme
        require(scheme in ("https", "http", "file"), "address", self.address, "must begin with https, http or file")

    def path(self) -> Path:
        """Return the path of the checked file; download it if necessary.

        The file is looked for in the folder that CHAIN_DATA names and then in the user's cache; otherwise it is
        downloaded into that cache. Raises `InputError` if the file has another checksum or if CHAIN_DATA does not name
        a folder, and `DataUnavailableError` if there is no file and it cannot be downloaded.
        """
        cached = cache_folder() / self.file
        for path in (*(folder / self.file for folder in _given_folder()), cached):
            if path.is_file():
                self._check(path)
                return path
        return self._download(cached)

    def _check(self, path: Path) -> None:
        sha256 = sha256_of(path)
        if sha256 != self.sha256:
            raise InputError(
                f"{path} has SHA-256 {sha256}, but {self.name} has {self.sha256}: "
                f"remove the file or replace it with the one from {self.address}"
            )

    def _download(self, target: Path) -> Path:
        """Download the file to `target`; it appears there only once complete and checked."""
        if self.address in _unreachable:
            raise self._unavailable(_unreachable[self.address])
        try:
            with _temporary_file(target) as temporary:
                _fetch(self.address, temporary, self.file)
                if (sha256 := sha256_of(temporary)) != self.sha256:
                    raise OSError(f"the downloaded file has SHA-256 {sha256} instead of {self.sha256}")
                os.replace(temporary, target)
        except (OSError, HTTPException) as error:
            _unreachable[self.address] = str(error)
            raise self._unavailable(str(error)) from error
        return target

    def _unavailable(self, reason: str) -> DataUnavailableError:
        return DataUnavailableError(
            f"{self.name} is not on this machine and cannot be downloaded from {self.address} ({reason}): "
            f"put {self.file} into a folder and set {FOLDER_VARIABLE} to that folder"
        )


def data_set(name: str) -> dict[str, str]:
    """Return a registry entry as a mapping that `instantiate` makes a `DataSet`.

    The mapping includes the checksum. Raises `InputError` with the nearest names if there is no entry of that name.
    """
    entries = _registry()
    if name not in entries:
        near = difflib.get_close_matches(name, entries, cutoff=0.4) or sorted(entries)
        raise InputError(f"dataset = {name}: there is no data set of that name; use {' or '.join(near)}")
    return {"_target_": "workloads.datasets.DataSet", "name": name, **entries[name]}


def cache_folder() -> Path:
    """Return the user's cache of downloaded data sets.

    It is a folder below XDG_CACHE_HOME or, if that is not set, below ~/.cache.
    """
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "server-chains"


def _given_folder() -> Iterator[Path]:
    """Yield the folder that CHAIN_DATA names, if it is set."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        folder = Path(given).expanduser()
        require(folder.is_dir(), FOLDER_VARIABLE, given, "there is no such folder; name one with the data, or unset it")
        yield folder


@cache
def _registry() -> dict[str, dict[str, str]]:
    entries: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return entries


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size)


@cache
def _sha256(path: Path, modified_ns: int, size_bytes: int) -> str:
    """Compute the SHA-256 of a file, once for every version of it.

    The time and size are arguments so that a changed file is read again.
    """
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _temporary_file(target: Path) -> Iterator[Path]:
    """Yield a new file beside `target`; remove it at the end if it remains.

    It is beside `target` so that moving it there is atomic.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=target.parent, prefix=target.name, suffix=".part", delete=False) as opened:
        temporary = Path(opened.name)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _fetch(address: str, target: Path, label: str) -> None:
    """Download `address` to `target`, with a progress bar on stderr."""
    with urllib.request.urlopen(address, timeout=CONNECT_TIMEOUT_S) as source, target.open("wb") as sink:
        length = int(source.headers.get("Content-Length") or 0) or None
        with tqdm(total=length, desc=label, unit="B", unit_scale=True, leave=False) as bar:
            while chunk := source.read(CHUNK_BYTES):
                sink.write(chunk)
                bar.update(len(chunk))
