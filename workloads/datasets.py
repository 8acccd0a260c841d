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
from stat import S_ISREG
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from tqdm import tqdm

from system.checks import echo, require
from system.code.folders import can_write, home_cache, temporary_folder
from system.documents.yaml_files import read_yaml
from system.errors import DataUnavailableError, InputError
from system.limits import DATA_BYTES

FOLDER_VARIABLE = "CHAIN_DATA"
CONNECT_TIMEOUT_S = 5.0
CHUNK_BYTES = 1 << 16

# Addresses and hosts that failed in this process, with the reason. A sweep must not wait for them at every point again.
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
        downloaded into that cache, or into a temporary folder if the cache cannot be written. Raises `InputError` if
        the file has another checksum or if CHAIN_DATA does not name a folder, and `DataUnavailableError` if there is no
        file and it cannot be downloaded.
        """
        for folder in (*_given_folder(), *_caches()):
            path = folder / self.file
            if os.path.isfile(path):  # also false in a folder that may not be searched
                self._check(path)
                return path
        return self._download()

    def _check(self, path: Path) -> None:
        try:
            sha256 = sha256_of(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); make it readable or remove it") from error
        if sha256 != self.sha256:
            raise InputError(
                f"{path} has SHA-256 {sha256}, but {self.name} has {self.sha256}: "
                f"remove the file or replace it with the one from {self.address}"
            )

    def _download(self) -> Path:
        """Download the file to a cache; it appears there only once complete and checked."""
        host = urlsplit(self.address).netloc
        for failed in (self.address, host):
            if failed in _unreachable:
                raise self._unavailable(_unreachable[failed])
        try:
            target = _writable_cache() / self.file
            with _temporary_file(target) as temporary:
                _fetch(self.address, temporary, self.file)
                if (sha256 := sha256_of(temporary)) != self.sha256:
                    raise OSError(f"the downloaded file has SHA-256 {sha256} instead of {self.sha256}")
                os.replace(temporary, target)
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error))
            _unreachable[host if host and _is_of_host(error) else self.address] = reason
            raise self._unavailable(reason) from error
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
        near = difflib.get_close_matches(str(name), entries, cutoff=0.4) or sorted(entries)
        raise InputError(f"dataset = {echo(name)}: there is no data set of that name; use {' or '.join(near)}")
    return {"_target_": "workloads.datasets.DataSet", "name": name, **entries[name]}


def _is_of_host(error: Exception) -> bool:
    """Return whether no file can be had from a host after this error."""
    return isinstance(error, (URLError, TimeoutError)) and not isinstance(error, HTTPError)


def _caches() -> list[Path]:
    """Return the folders in which downloaded data sets are looked for."""
    home, temporary = home_cache(), temporary_folder("data")
    return [*([home / "server-chains"] if home else []), *([temporary] if temporary else [])]


def _writable_cache() -> Path:
    """Return the first cache that can be written; raise `OSError` without any."""
    for folder in _caches():
        if can_write(folder):
            return folder
    raise OSError("no folder can be written to keep it")


def _given_folder() -> Iterator[Path]:
    """Yield the folder that CHAIN_DATA names, if it is set."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        folder = Path(os.path.expanduser(given))
        remedy = "there is no such folder; name one with the data, or unset it"
        require(os.path.isdir(folder), FOLDER_VARIABLE, given, remedy)
        yield folder


@cache
def _registry() -> dict[str, dict[str, str]]:
    entries: dict[str, Any] = read_yaml(Path(__file__).with_suffix(".yaml"))
    return entries


def require_file(file: str | Path) -> os.stat_result:
    """Return the status of a regular file.

    Raises `InputError` for a folder, a pipe or a device, and for a file beyond the bound.
    """
    require(isinstance(file, (str, Path)), "file", file, "must be the path of a file")
    try:
        status = Path(file).stat()
    except (OSError, ValueError) as error:
        remedy = "there is no such file; paths start where the command is run"
        raise InputError(f"file = {echo(str(file))}: {remedy}") from error
    require(S_ISREG(status.st_mode), "file", file, "is not a regular file; give the path of one")
    remedy = f"has more than {DATA_BYTES:,} bytes; give a part of it"
    require(status.st_size <= DATA_BYTES, "file", file, remedy)
    return status


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; raise `InputError` if it cannot be read."""
    status = require_file(path)
    try:
        return _sha256(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise InputError(f"file = {path}: cannot be read ({error.strerror}); give a file that you can read") from error


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
                if sink.tell() > DATA_BYTES:
                    raise OSError(f"it has more than {DATA_BYTES:,} bytes")
                bar.update(len(chunk))
