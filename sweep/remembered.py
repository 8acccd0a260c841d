"""Sweeps that were expanded before, so that a command that is repeated does not compose its points again.

Composing takes Hydra about a tenth of a second for each choice of config groups. What comes of it follows from the
command, the project's files and the versions of Hydra and OmegaConf; it is kept under a hash of these.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from store.disk.store import Store
from sweep.expansion import Point, Sweep
from system.code.source import ROOT

PACKAGES = ("hydra-core", "omegaconf")


def remembered_sweeps(
    store: Store, command: Sequence[str | None], sources: Sequence[Path], expand: Callable[[], list[Sweep]]
) -> list[Sweep]:
    """The sweeps of a command, from the store where it has them. `sources` are the folders that Hydra composes from.

    With configuration from elsewhere than the project nothing is remembered, as nobody says when it changes.
    """
    if set(sources) != {ROOT / "conf"}:
        return expand()
    name = f"expansions/{_key(command)}.json"
    found = store.files.read_json(name)
    if found is not None:
        return [Sweep(**{**sweep, "points": [Point(*point) for point in sweep["points"]]}) for sweep in found]
    sweeps = expand()
    store.files.write_json(name, [sweep._asdict() for sweep in sweeps])
    return sweeps


def _key(command: Sequence[str | None]) -> str:
    digest = hashlib.sha256(json.dumps([list(command), [version(package) for package in PACKAGES]]).encode())
    for path in sorted(path for folder in _folders() for path in folder.rglob("*") if path.suffix in (".py", ".yaml")):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _folders() -> list[Path]:
    """Return the configuration and all packages: any of their code and data may be part of a point's identity."""
    return [ROOT / "conf", *(folder.parent for folder in ROOT.glob("*/__init__.py"))]
