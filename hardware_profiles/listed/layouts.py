"""Published layouts: files that name the blocks of each server (`hardware_profiles/published_layouts`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from system import NotApplicableError
from system.checks import require, require_known, require_path
from system.documents.yaml_files import read_yaml

FOLDER = Path(__file__).parents[1] / "published_layouts"


def read_layout(name: str) -> dict[str, Any]:
    """Return the range of blocks of each server.

    `name` is a layout of the project, or the path of a file of one's own that ends in .yaml.
    """
    require_path(**{"algorithm.file": name})
    if not name.endswith(".yaml"):
        require_known("algorithm.file", name, [path.stem for path in FOLDER.glob("*.yaml")])
    path = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    ranges = read_yaml(path)
    require(isinstance(ranges, dict), name, ranges, 'must map names of servers to ranges of blocks, such as "0:18"')
    return dict(ranges)


def published_for(planner: str, model: str, servers: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of a planner's published layout of a model for some servers."""
    names = {server.get("name") for server in servers}
    for path in sorted(FOLDER.glob(f"*_{model.rsplit('_', 1)[-1]}_{planner}.yaml")):
        if set(read_layout(path.stem)) <= names:
            return path.stem
    raise NotApplicableError(
        f"planner = {planner}: published no layout of {model} for these servers; use cluster=helix_single24, "
        "helix_geo24 or helix_het42 with a model of Helix"
    )


def read_measurements(name: str) -> dict[str, float]:
    """Return what others measured on real machines with a published layout, by quantity.

    Each file of `measured` has the layouts of one publication.
    """
    known: dict[str, Any] = {}
    for path in sorted((FOLDER / "measured").glob("*.yaml")):
        known |= read_yaml(path)
    require_known("evaluator.layout", name, known)
    return dict(known[name])
