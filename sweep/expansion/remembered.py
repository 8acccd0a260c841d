"""Remembered expansions: a command that is repeated does not compose its points again.

Hydra takes about a tenth of a second to compose each choice of config groups. The result depends on the command
(`data=embedded` is part of it), the project's files and the versions of Hydra and OmegaConf; it is stored under a hash
of these.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from store.disk import shapes
from store.disk.store import Store
from sweep.expansion.commands import Point, Sweep
from sweep.precision import Target
from system.code.source import ROOT
from system.limits import POINTS, WORKERS

PACKAGES = ("hydra-core", "omegaconf")
POINT = shapes.row(
    shapes.point,
    shapes.table(shapes.text),
    shapes.configuration,
    shapes.boolean,
    shapes.table(shapes.text),
)
REMEMBERED = shapes.fields(
    sweeps=shapes.listed(
        shapes.fields(
            experiment=shapes.text,
            fixed=shapes.listed(shapes.text),
            axes=shapes.listed(shapes.text),
            points=shapes.listed(POINT),
            draws=shapes.DRAW_COUNT,
            replications=shapes.REPLICATION_COUNT,
            notes=shapes.listed(shapes.text),
            workers=shapes.or_null(shapes.whole(WORKERS)),
            target=shapes.or_null(shapes.TARGET_ROW),
            declared_count=shapes.whole(POINTS),
            words=shapes.listed(shapes.text),
        )
    )
)


def remembered_sweeps(
    store: Store, command: Sequence[str | None], sources: Sequence[Path], expand: Callable[[], list[Sweep]]
) -> list[Sweep]:
    """Return the sweeps of a command, from the store if it remembers them.

    `sources` are the folders that Hydra composes from. With configuration from outside the project, or a file of the
    user's own such as a trace, nothing is remembered, as changes to them would go unnoticed.
    """
    if set(sources) != {ROOT / "conf"}:
        return expand()
    name = f"expansions/{_key(command)}.json"
    remembered = store.files.read_json(name, REMEMBERED)
    if remembered is not None:
        return [_sweep(fields) for fields in remembered["sweeps"]]
    sweeps = expand()
    if not any(_names_own_file(point.case) for sweep in sweeps for point in sweep.points):
        store.files.write_json(name, {"sweeps": [sweep._asdict() for sweep in sweeps]})
    return sweeps


def _sweep(fields: dict[str, Any]) -> Sweep:
    """Return a sweep from its fields as JSON keeps them."""
    points, words = [Point(*point) for point in fields["points"]], tuple(fields["words"])
    target = Target(*fields["target"]) if fields["target"] else None
    return Sweep(**{**fields, "points": points, "target": target, "words": words})


def _names_own_file(node: Any) -> bool:
    """Return whether a configuration names a user's own file.

    A file with an address is a public data set, whose checksum the project's files fix.
    """
    if isinstance(node, Mapping):
        if node.get("file") is not None and "address" not in node:
            return True
        node = list(node.values())
    return isinstance(node, list) and any(map(_names_own_file, node))


def _key(command: Sequence[str | None]) -> str:
    digest = hashlib.sha256(json.dumps([list(command), [version(package) for package in PACKAGES]]).encode())
    for path in sorted(path for folder in _folders() for path in folder.rglob("*") if path.suffix in (".py", ".yaml")):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _folders() -> list[Path]:
    """Return the folders of the configuration and of all packages but the tests.

    Any of their code and data may be part of a point's identity.
    """
    packages = [file.parent for file in sorted(ROOT.glob("*/__init__.py"))]
    return [ROOT / "conf", *(package for package in packages if package.name != "tests")]
