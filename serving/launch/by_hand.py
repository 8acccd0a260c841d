"""Servers that are started by hand, or by `srun`: their descriptions as files, and the commands that start them."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from serving.server.spec import ServerSpec

FOLDER = Path("outputs", "servers")
FIRST_PORT = 5701


def prepared(specs: Sequence[ServerSpec], folder: Path = FOLDER) -> str:
    """Write a file for each server and one with the commands; says what to do with them."""
    folder.mkdir(parents=True, exist_ok=True)
    commands = folder / "commands.txt"
    commands.write_text("".join(_written(folder, *each) + "\n" for each in enumerate(specs, FIRST_PORT)))
    return (
        f"addresses = []: {commands} holds a command for each of the {len(specs)} servers; run each on its host, from "
        f"a copy of this folder, and name the hosts in the same order: "
        f"evaluator.addresses=[tcp://HOST:{FIRST_PORT},tcp://HOST:{FIRST_PORT + 1},...]"
    )


def _written(folder: Path, port: int, spec: ServerSpec) -> str:
    """The command for a server whose description is in a file now."""
    path = folder / re.sub(r"[^\w.-]+", "_", f"{spec.name}.json")
    path.write_text(spec.to_json() + "\n")
    words = ["python", "-m", "serving", "--bind", f"tcp://0.0.0.0:{port}", "--spec", str(path)]
    return shlex.join(words)
