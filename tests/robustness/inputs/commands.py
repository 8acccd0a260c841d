"""Bad input that Python itself refuses, at the boundary of every command, and settings of sweeps."""

import errno
import json
import math
import os
import warnings
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import yaml
from omegaconf import OmegaConf

from sweep.errors import one_sentence_errors
from sweep.launching.ray_launcher import RayLauncher
from sweep.launching.worker_settings import require_no_worker, require_workers
from sweep.precision import target_of
from sweep.sweeper import PointsSweeper
from system.command.boundary import FULL_ERROR, ONE_SENTENCE, ends_in_one_sentence
from system.errors import InputError
from tests.robustness.bad_input import BadInput
from tests.support.project import CONF, case_of


def ended(action, boundary=ends_in_one_sentence):
    """Return a call that raises the sentence with which a command ends."""

    def run(folder):
        with patch.dict(os.environ), patch.object(warnings, "formatwarning", warnings.formatwarning):
            for name in (FULL_ERROR, ONE_SENTENCE):
                os.environ.pop(name, None)
            try:
                with boundary():
                    action(folder)
            except SystemExit as end:
                message = str(end.code)
                assert message.startswith("error: ")
                assert FULL_ERROR not in message
                raise InputError(message.removeprefix("error: ")) from end

    return run


def written(content):
    """Return a reader of a file with this content."""

    def read(folder):
        path = folder / "file"
        path.write_bytes(content)
        return path.read_text(encoding="utf-8")

    return read


def raising(error):
    def action(folder):
        raise error

    return action


def nested_call(folder):
    return nested_call(folder)


def printing_a_surrogate(folder):
    with (folder / "out").open("w", encoding="utf-8") as file:
        file.write("caf\udce9")


def precision(**settings):
    config = OmegaConf.load(CONF / "precision/target.yaml")
    return target_of(OmegaConf.merge(config, {"precision": settings}))


MEMORY = "reduce the largest count"
ERRNOS = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EFBIG: "make room there",
    errno.EACCES: "change its permissions",
    errno.EPERM: "change its permissions",
    errno.EROFS: "change its permissions",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "symbolic links",
    errno.EISDIR: "give a file",
    errno.ENOTDIR: "a part of the path is a file",
    errno.ENOENT: "check the path",
    errno.EEXIST: "in the way",
    errno.EMFILE: "raise `ulimit -n`",
    errno.EIO: "check the path",
    errno.EBUSY: "check the path",
}
PYTHON = {
    "a folder is read": (lambda folder: folder.read_text(), "Is a directory", "give a file"),
    "a file that is not there": (lambda folder: (folder / "no").read_text(), "no: No such file", "check the path"),
    "a name of 5,000 characters": (lambda folder: (folder / ("n" * 5000)).touch(), "...nnn", "a shorter name"),
    "a file is used as a folder": (lambda folder: Path(__file__, "x").read_text(), "x: Not a directory", "folders"),
    "a null character in a path": (lambda folder: Path("a\0b").read_text(), "path", "null character"),
    "Latin-1": (written("naïve".encode("latin-1")), "byte 0xef at position 2", "as UTF-8"),
    "UTF-16": (written("text".encode("utf-16")), "byte 0xff at position 0", "as UTF-8"),
    "gzip": (written(b"\x1f\x8b\x08\x00"), "byte 0x8b at position 1", "as UTF-8"),
    "a lone surrogate": (printing_a_surrogate, "text = '\\udce9'", "use other characters"),
    "lists nested too deeply": (lambda folder: json.loads("[" * 10**6), "nesting", "write them flatter"),
    "a reference to itself": (nested_call, "nesting", "write them flatter"),
    "a number of 5,000 digits": (lambda folder: int("9" * 5000), "number", "too many digits"),
    "a power beyond floats": (lambda folder: 10.0**400, "number", "check the units"),
    "an exponential beyond floats": (lambda folder: math.exp(1e6), "number", "check the units"),
    "a whole number beyond floats": (lambda folder: float(10**400), "number", "check the units"),
    "a whole number beyond 64 bits": (lambda folder: np.array([1]) + 10**30, "number", "check the units"),
    "a division by zero": (lambda folder: 1 / 0, "number", "check the units"),
    "YAML that ends early": (lambda folder: yaml.safe_load("a: [1"), "line 1", "is not YAML"),
    "YAML with a tab": (lambda folder: yaml.safe_load("a:\n\tb: 1"), "line 2", "is not YAML"),
}
CONTROL = {
    "escape sequences": ("red\x1b[31m\x07", "red?[31m?"),
    "lines": ("a\nb\r\nc", "a b"),
    "text that runs backwards": ("\u202etxt.exe", "?txt.exe"),
    "a lone surrogate": ("caf\udce9", "caf?"),
    "a value of a million characters": ("v" * 10**6, "vvv ..."),
}
WORKERS = (0, -1, 10**9, 1.5, True, "abc", [1])
ARRAY = "hydra.launcher.array_parallelism"
COUNTS = {  # what takes a setting, and wrong values of it
    "hydra.sweeper.workers": (PointsSweeper, WORKERS),
    "hydra.launcher.cpus": (partial(RayLauncher, "local"), WORKERS),
    ARRAY: (partial(require_workers, ARRAY), (None, 0, 10**7)),
}

BAD = (
    *(
        BadInput("python sentence", name, ended(action), value, value, remedy)
        for name, (action, value, remedy) in PYTHON.items()
    ),
    *(
        BadInput("python sentence", f"{errno.errorcode[code]} of the system", ended(raising(error)), "f", "x/f", remedy)
        for code, remedy in ERRNOS.items()
        for error in [OSError(code, os.strerror(code), "x/f")]
    ),
    *(
        BadInput("python sentence", f"{name} in a value", ended(raising(InputError(f"x = {text}"))), "x = ", shown, "")
        for name, (text, shown) in CONTROL.items()
    ),
    *(
        BadInput("out of memory", name, ended(action), "memory", value, MEMORY)
        for name, action, value in (
            ("numpy", lambda folder: np.empty(10**15), "memory = 7.11 PiB"),
            ("a list", lambda folder: [0] * 10**17, "memory"),
            ("pyarrow", raising(pa.lib.ArrowMemoryError("malloc of size 10 failed")), "memory"),
            ("behind another error", lambda folder: caused_by(MemoryError()), "memory"),
        )
    ),
    *(
        BadInput(
            "python sentence",
            f"{key} of {count!r}",
            lambda folder, take=take, count=count: take(count),
            f"{key} = ",
            str(count),
            "must be",
        )
        for key, (take, counts) in COUNTS.items()
        for count in counts
    ),
    *(
        BadInput(
            "python sentence",
            override,
            ended(lambda folder, override=override: case_of(override), one_sentence_errors),
            f"{override.partition('=')[0]} = ",
            override.partition("=")[2],
            remedy,
        )
        for override, remedy in {
            "hydra.sweeper.workers=abc": "must be a whole number",
            "hydra.sweeper.workers={a: 1}": "must be a whole number",
            "hydra.sweeper.dry_run=perhaps": "must be true or false",
            "hydra.sweeper.added=null": "must not be null",
            "hydra.launcher.n_jobs=null": "must not be null",
        }.items()
    ),
    *(
        BadInput(
            "python sentence",
            argument,
            lambda folder, argument=argument: require_no_worker(["draws=2", argument]),
            "worker",
            argument.rpartition("=")[2],
            "leave it out",
        )
        for argument in ("worker=null", "worker.work=x", "worker.first=abc", "+worker.more=1", "++worker.first=-1")
    ),
    *(
        BadInput(
            "null or wrong type",
            f"precision.{name}={value}",
            lambda folder, name=name, value=value: precision(**{name: value}),
            f"precision.{name} = ",
            shown,
            remedy,
        )
        for name, value, shown, remedy in (
            ("half_width", None, "None", "above 0 and below 1"),
            ("half_width", math.nan, "nan", "above 0 and below 1"),
            ("half_width", [1], "[1]", "above 0 and below 1"),
            ("half_width", "1000%", "1000%", "above 0 and below 1"),
            ("metrics", None, "None", "must be a list of metrics"),
            ("metrics", [], "[]", "must be a list of metrics"),
            ("metrics", "response_mean_s", "response_mean_s", "must be a list of metrics"),
            ("metrics", [5], "5", "unknown"),
            ("most_draws", None, "None", "whole number"),
            ("most_draws", 1e300, "1e+300", "whole number"),
            ("most_draws", 10**12, "1000000000000", "at most 1,000,000"),
            ("most_draws", 3, "3", "is below draws=20; raise it"),
            ("most_replications", "many", "many", "whole number"),
            ("most_replications", True, "True", "whole number"),
        )
    ),
    BadInput(
        "null or wrong type",
        "precision=null",
        lambda folder: target_of(OmegaConf.create({"draws": 20, "precision": None})),
        "precision = ",
        "None",
        "precision=target",
    ),
)


def caused_by(cause):
    try:
        raise cause
    except MemoryError as error:
        raise RuntimeError("a package says nothing of it") from error
