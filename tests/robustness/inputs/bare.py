"""Data sets that cannot be had or read, and folders that cannot be written."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

from store.disk.store import Store
from system.errors import InputError
from tests.robustness.bad_input import BadInput
from tests.support.project import script
from workloads import datasets
from workloads.datasets import DataSet

FILE, CONTENT = "tiny.csv", b"made up\n"
SUM = sha256(CONTENT).hexdigest()
ADDRESSES = {
    "closed port": "http://127.0.0.1:9/tiny.csv",
    "unknown host": "http://no-such-host.invalid/tiny.csv",
    "absent file": "file:///dev/null/tiny.csv",
    "not http": "http://127.0.0.1:99999/tiny.csv",
}


def read(address: str = ADDRESSES["closed port"], **environment: str) -> Callable[[Path], object]:
    """Return a run that asks for a data set.

    `{folder}` in a variable is the run's folder.
    """

    def run(folder: Path) -> object:
        (folder / "mine").mkdir()
        (folder / "mine" / FILE).write_bytes(b"other\n")
        (folder / "file").write_bytes(CONTENT)
        variables = {name: text.format(folder=folder) for name, text in environment.items()}
        bare = {"XDG_CACHE_HOME": "/dev/null", "TMPDIR": str(folder), "no_proxy": "*", "CHAIN_DATA": ""}
        with patch.dict(os.environ, bare | variables), patch.object(datasets, "_unreachable", {}):
            return DataSet("tiny", FILE, address, SUM, "none", "nobody").path()

    return run


def command(*words: str) -> Callable[[Path], object]:
    """Return a run of a command that ends with one sentence on stderr."""

    def run(folder: Path) -> None:
        done = script(*(word.format(folder=folder) for word in words))
        assert done.returncode == 1
        raise InputError(done.stderr.splitlines()[-1])

    return run


REMEDY = f"put {FILE} into a folder and set CHAIN_DATA to that folder"
GIVEN = {
    "absent folder": ("{folder}/nowhere", "nowhere"),
    "file": ("{folder}/file", "file"),
    "below a file": ("{folder}/file/data", "file/data"),
    "unknown user": ("~nobody-here/data", "~nobody-here/data"),
}
BAD = (
    *(
        BadInput("no data", name, read(address), "tiny", f"cannot be downloaded from {address}", REMEDY)
        for name, address in ADDRESSES.items()
    ),
    *(
        BadInput("no data", f"CHAIN_DATA is {name}", read(CHAIN_DATA=text), "CHAIN_DATA", value, "or unset it")
        for name, (text, value) in GIVEN.items()
    ),
    BadInput("no data", "wrong content", read(CHAIN_DATA="{folder}/mine"), FILE, "has SHA-256", "remove the file or"),
    BadInput(
        *("no data", "single point on available data", command("run.py", "data=available", "store={folder}")),
        *("data", "available", "write -m before it"),
    ),
    BadInput(
        *("no data", "data as an axis", command("run.py", "-m", "data=available,embedded", "store={folder}")),
        *("data", "available,embedded", "sweep the two choices one after the other"),
    ),
    BadInput(
        *("no data", "unknown data", command("run.py", "-m", "data=availible", "store={folder}")),
        *("data", "availible", "available, embedded, recorded"),
    ),
    *(
        BadInput(
            *("no place to write", f"plot.py {option}"),
            command("plot.py", "--store", "{folder}", option, "/dev/null/x"),
            *(option[2:], "/dev/null/x", f"name another folder with {option}"),
        )
        for option in ("--to", "--rows", "--archive")
    ),
    BadInput(
        "no place to write",
        "store below a file",
        lambda _: Store(Path("/dev/null/store")).files.write_json("store.json", {}),
        *("store", "/dev/null/store", "set store=..."),
    ),
    BadInput(
        *("no place to write", "store of a point", command("run.py", "data=embedded", "store=/dev/null/store")),
        *("store", "/dev/null/store", "set store=..."),
    ),
    BadInput(
        "no place to write",
        "store of a sweep",
        command("run.py", "-m", "experiment=fig4", "hydra/launcher=basic", "store=/dev/null/store"),
        *("store", "/dev/null/store", "set store=..."),
    ),
)
