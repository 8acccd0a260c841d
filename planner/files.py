"""The files of a plan."""

import json
from pathlib import Path

import matplotlib as mpl

from planner.document import document
from planner.export import petals_commands, vllm_commands
from planner.picture import picture
from planner.results import Plan, Study


def write(folder: Path, found: Study, best: Plan, *, with_picture: bool) -> None:
    """The study and its picture, and the commands that start the best plan."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(document(found, best), indent=1, allow_nan=False) + "\n")
    (folder / "export_petals.sh").write_text(petals_commands(best))
    (folder / "export_vllm.sh").write_text(vllm_commands(best))
    if with_picture:
        mpl.use("agg")
        drawn = picture(found.plan)
        for kind in ("png", "svg"):
            drawn.savefig(folder / f"plan.{kind}", dpi=150)
